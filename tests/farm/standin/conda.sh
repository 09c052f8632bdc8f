# shellcheck shell=sh
# etc/profile.d/conda.sh of the stand-in of builder's tests: the names of conda's own, a fraction of what it does.
export CONDA_EXE='@PREFIX@/bin/conda'
export CONDA_PYTHON_EXE='@PREFIX@/bin/python'
conda() {
    case "${1-}" in
        activate)
            case "${2-base}" in
                base | root) CONDA_PREFIX='@PREFIX@' ;;
                */*) CONDA_PREFIX="$2" ;;
                *) CONDA_PREFIX='@PREFIX@'"/envs/$2" ;;
            esac
            [ -d "$CONDA_PREFIX" ] || { echo "EnvironmentNameNotFound: ${2-}" >&2; return 1; }
            export CONDA_PREFIX CONDA_DEFAULT_ENV="${2-base}" CONDA_SHLVL=1 PATH="$CONDA_PREFIX/bin:$PATH"
            ;;
        *) "$CONDA_EXE" "$@" ;;
    esac
}
case ":$PATH:" in
    *:'@PREFIX@/condabin':*) ;;
    *) export PATH='@PREFIX@/condabin'":$PATH" ;;
esac
