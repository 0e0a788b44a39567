#!/bin/sh
# A certificate authority of your own, and certificates for a year: sh certificates.sh FOLDER
# Whoever has a key of it can run any code on the workers. ca.key stays in FOLDER, and nowhere else.
set -eu
umask 077
mkdir -p "$1"
cd "$1"
if [ ! -e ca.key ]; then
  openssl req -x509 -newkey rsa:3072 -nodes -days 3650 -subj "/CN=fashion-dropout cluster" \
    -keyout ca.key -out ca.pem
fi
for name in scheduler worker client; do
  openssl req -newkey rsa:3072 -nodes -subj "/CN=$name" -keyout "$name.key" -out "$name.csr"
  openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 \
    -out "$name.pem"
  rm "$name.csr"
  openssl x509 -in "$name.pem" -noout -subject -enddate
done
