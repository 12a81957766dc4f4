# shellcheck shell=bash
# pki: the keys of a bed, by openssl, all on the curve P-256: an authority, the API server's certificate, one for each client,
# and the key that signs service-account tokens. In: a folder. Out: ca.crt, apiserver.*, admin.*, prometheus.*, accounts.key.

pki_key() { # FILE
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null
    chmod 600 "$1"
}

# pki_sign FOLDER NAME SUBJECT EXTENSIONS: NAME.key and NAME.crt, signed by ca
pki_sign() {
    local folder=$1 name=$2 subject=$3 extensions=$4
    pki_key "$folder/$name.key"
    openssl req -new -key "$folder/$name.key" -subj "$subject" |
        openssl x509 -req -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -days 30 -extfile <(printf '%s\n' "$extensions") \
            -set_serial "0x$(openssl rand -hex 8)" -out "$folder/$name.crt" 2>/dev/null
}

pki_make() { # FOLDER NODE_ADDRESS
    local folder=$1 client
    client=$'keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth'
    mkdir -p "$folder"
    chmod 700 "$folder"
    pki_key "$folder/ca.key"
    openssl req -x509 -new -key "$folder/ca.key" -subj /CN=testbed -days 30 -out "$folder/ca.crt" \
        -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign,digitalSignature
    pki_sign "$folder" apiserver /CN=kube-apiserver "keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:10.96.0.1,IP:$2"
    pki_sign "$folder" admin /O=system:masters/CN=admin "$client"
    pki_key "$folder/accounts.key"
    openssl pkey -in "$folder/accounts.key" -pubout -out "$folder/accounts.pub"
}
