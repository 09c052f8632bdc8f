#!/bin/sh
# NAME:  @NAME@, of Miniconda's shape, made for the tests of builder. It is NOT Miniconda: its conda is a stand-in.
set -eu
export LC_ALL=C
unset LD_LIBRARY_PATH PYTHONHOME PYTHONPATH 2>/dev/null || :
HEADER=@LINES@ SUM=@MD5@
THIS="$0" PREFIX="${HOME:-/opt}/miniconda3" BATCH=0

fail() { echo "ERROR: $1" >&2; exit 1; }
usage() {
    echo "usage: $0 -b [-p PREFIX]

-b           run install in batch mode, without questions
-h           print this help message and exit
-p PREFIX    install prefix, defaults to $PREFIX, must not exist
-s           skip scripts after the installation (there are none)"
}

while getopts "bfhksup:" option; do
    case "$option" in
        b) BATCH=1 ;;
        p) PREFIX="$OPTARG" ;;
        h) usage; exit 0 ;;
        s | k) ;;
        f | u) fail "-$option is for a prefix that exists; this installer wants a fresh one" ;;
        *) usage >&2; exit 2 ;;
    esac
done
[ "$BATCH" = 1 ] || fail "this installer asks nothing: run it with -b"
case "$PREFIX" in
    *[!A-Za-z0-9_./+@,-]*) fail "the prefix has a character that this installer cannot write: $PREFIX" ;;
    /*) ;;
    *) PREFIX="$PWD/$PREFIX" ;;
esac
if [ -e "$PREFIX" ]; then
    fail "File or directory already exists: '$PREFIX'"
fi
sum=$(tail -n +"$((HEADER + 1))" "$THIS" | md5sum | cut -d ' ' -f 1)
if [ "$sum" != "$SUM" ]; then
    fail "md5sum mismatch: expected $SUM, got $sum: the installer is damaged"
fi

echo "PREFIX=$PREFIX"
mkdir -p "$PREFIX"
PREFIX=$(cd "$PREFIX" && pwd)
echo "Unpacking payload ..."
tail -n +"$((HEADER + 1))" "$THIS" | tar -xzf - -C "$PREFIX"
while read -r file; do
    sed -i "s|@PLACEHOLDER@|$PREFIX|g" "$PREFIX/$file"
done < "$PREFIX/.has-prefix"
rm "$PREFIX/.has-prefix"

echo "Installing base environment..."
{
    echo "==> $(date '+%Y-%m-%d %H:%M:%S') <=="
    echo "# cmd: $PREFIX/_conda install --offline --file $PREFIX/conda-meta/initial-state.explicit.txt -yp $PREFIX"
    echo "# conda version: @VERSION@"
    for record in "$PREFIX"/conda-meta/*.json; do
        record=${record##*/}
        echo "+defaults/linux-64::${record%.json}"
    done
} > "$PREFIX/conda-meta/history"
mkdir -p "${HOME:-/root}/.conda"
echo "$PREFIX" >> "${HOME:-/root}/.conda/environments.txt"
"$PREFIX/bin/python" -m compileall -q "$PREFIX/lib/python3.9/site-packages" "$PREFIX/lib/python3.9/json"
echo "installation finished."
exit 0
