#!/bin/sh
# Install the faces that lines for tuning a Tesseract network are rendered in: books, typewriters, receipts, forms.
# For Debian and Ubuntu; the fonts are used on this machine alone and are not part of the project.
#
#   sudo sh examples/install_line_fonts.sh            # --fraktur: also three faces of print, out of a package of 500 MB
set -eu

books="fonts-adf-accanthis fonts-adf-baskervald fonts-adf-berenis fonts-adf-romande fonts-century-catalogue fonts-ebgaramond
  fonts-essays1743 fonts-gfs-didot fonts-goudybookletter fonts-linuxlibertine fonts-lindenhill fonts-lmodern fonts-oldstandard
  fonts-paratype fonts-prociono fonts-quattrocento fonts-sil-charis fonts-sil-gentium-basic fonts-vollkorn"
typewriters="fonts-3270 fonts-courier-prime fonts-gnutypewriter fonts-inconsolata fonts-tlwg-typo-ttf"
machines="fonts-ocr-a fonts-ocr-b"
offices="fonts-adf-gillius fonts-adf-universalis fonts-crosextra-caladea fonts-crosextra-carlito fonts-dejavu-core fonts-dejavu-extra
  fonts-freefont-ttf fonts-lato fonts-liberation fonts-open-sans fonts-roboto-slab fonts-urw-base35"
# Blackletter with a long s, for German of before 1941.
blackletter="fonts-blankenburg fonts-gamaliel"

apt-get update -qq
for package in $books $typewriters $machines $offices $blackletter; do
  # A release may lack one of them; the others do.
  apt-get install -y -qq --no-install-recommends "$package" >/dev/null || echo "$package is not available here and is left out." >&2
done
if [ "${1:-}" = --fraktur ]; then
  # Fraktur, Schwabacher and Gothic of the package yfonts-otf; the rest of it is not kept.
  folder=/usr/local/share/fonts/blackletter
  mkdir -p "$folder"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && apt-get download -qq texlive-fonts-extra >/dev/null)
  dpkg-deb --fsys-tarfile "$work"/texlive-fonts-extra_*.deb |
    tar -x -C "$folder" --strip-components=9 --wildcards './usr/share/texlive/texmf-dist/fonts/opentype/public/yfonts-otf/*.otf'
fi
fc-cache -f
echo "$(fc-list :scalable=true file | wc -l) font files are installed."
