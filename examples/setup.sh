# shellcheck shell=sh
# Sourced by quickstart.sh, tests/run.sh and .ci/run: sets up Debian packages and a virtual environment.
# Usage: PROJECT=<root> EXTRAS=<extras, may be empty> . examples/setup.sh ; afterwards $PYTHON is the environment's Python.
# Run again it finds its stamp and is done at once.

APT_PACKAGES="python3-venv tesseract-ocr tesseract-ocr-eng tesseract-ocr-osd tesseract-ocr-deu tesseract-ocr-fra tesseract-ocr-rus tesseract-ocr-script-latn ghostscript unpaper pngquant poppler-utils fontconfig fonts-dejavu fonts-liberation fonts-freefont-ttf"

missing=""
for package in $APT_PACKAGES; do
    if command -v dpkg-query >/dev/null 2>&1; then
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
    fi
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ]; then
        sudo=""
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        sudo="sudo"
    else
        echo "Some packages are missing. Please type this line, then run this script again:"
        echo "    sudo apt-get update && sudo apt-get install -y$missing"
        exit 1
    fi
    echo "Installing:$missing"
    $sudo apt-get update -qq
    # The names are words of one string.
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq $missing >/dev/null
fi
if ! command -v tesseract >/dev/null 2>&1; then
    echo "Tesseract was not found; install tesseract-ocr with its English data, then run this script again."
    exit 1
fi

VENV="$PROJECT/.venv"
case "$(uname -s)" in
    MINGW* | MSYS* | CYGWIN*) PYTHON="$VENV/Scripts/python.exe" ;;
    *) PYTHON="$VENV/bin/python" ;;
esac
stamp=$(cat "$PROJECT/pyproject.toml" "$PROJECT/examples/setup.sh" "$PROJECT/examples/constraints.txt" | cksum | tr ' ' -)
# An environment that was made with more extras has what fewer of them need.
case "$EXTRAS" in
    "") covering="core test dev" ;;
    test) covering="test dev" ;;
    *) covering="$EXTRAS" ;;
esac
ready=""
for made in $covering; do
    [ "$(cat "$VENV/stamp-$made" 2>/dev/null)" != "$stamp" ] || ready=yes
done
if [ -z "$ready" ]; then
    [ -x "$PYTHON" ] || "$(command -v python3 || command -v python)" -m venv "$VENV"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed."; exit 1; }
    echo "Installing Python packages (once)"
    "$PYTHON" -m pip install -q --disable-pip-version-check -c "$PROJECT/examples/constraints.txt" -e "$PROJECT${EXTRAS:+[$EXTRAS]}"
    echo "$stamp" >"$VENV/stamp-${EXTRAS:-core}"
fi
export OMP_THREAD_LIMIT="${OMP_THREAD_LIMIT:-1}"
