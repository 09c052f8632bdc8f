"""What goes into images as it is: nothing here is imported by `builder` itself."""
