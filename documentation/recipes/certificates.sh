#!/bin/sh
# Certificates for a Dask cluster of your own: sh certificates.sh FOLDER
# ca.pem, certificate.pem and key.pem go to the scheduler, to every worker and to the machine that starts runs. ca-key.pem stays
# here: whoever has it, or key.pem, can run code on the workers.
set -eu
umask 077
mkdir -p "$1"
cd "$1"
curve="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
# shellcheck disable=SC2086
openssl req -x509 $curve -days 365 -subj "/CN=battery twin authority" -keyout ca-key.pem -out ca.pem
# shellcheck disable=SC2086
openssl req $curve -subj "/CN=battery twin" -keyout key.pem -out request.pem
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 365 -out certificate.pem
rm request.pem
