"""What runs inside deployment images: the maker of a model's folder, and the commands that use it.

Every file but `files` is copied into images as the package `serving`: it imports nothing of `builder`, is written for
Python 3.9, and needs numpy and onnxruntime alone (the maker also onnx, and torch where a recipe's model is torch's).
"""
