# shellcheck shell=bash
# pki: the keys of a bed, by openssl, all on the curve P-256: an authority, the API server's certificate, one for each client,
# and the key that signs service-account tokens. In: a folder. Out: ca.crt, apiserver.*, admin.*, accounts.key; for a node also
# a certificate of each of its parts, and the second authority by which the API server speaks for others to metrics-server.

pki_client=$'keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth'

pki_key() { # FILE
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null
    chmod 600 "$1"
}

pki_authority() { # FOLDER NAME
    pki_key "$1/$2.key"
    openssl req -x509 -new -key "$1/$2.key" -subj "/CN=testbed-$2" -days 30 -out "$1/$2.crt" \
        -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign,digitalSignature
}

# pki_sign FOLDER NAME SUBJECT EXTENSIONS [AUTHORITY]: NAME.key and NAME.crt, signed by ca
pki_sign() {
    local folder=$1 name=$2 subject=$3 extensions=$4 authority=${5:-ca}
    pki_key "$folder/$name.key"
    openssl req -new -key "$folder/$name.key" -subj "$subject" |
        openssl x509 -req -CA "$folder/$authority.crt" -CAkey "$folder/$authority.key" -days 30 \
            -extfile <(printf '%s\n' "$extensions") -set_serial "0x$(openssl rand -hex 8)" -out "$folder/$name.crt" 2>/dev/null
}

pki_make() { # FOLDER ADDRESS...
    local folder=$1 names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost
    shift
    mkdir -p "$folder"
    chmod 700 "$folder"
    pki_authority "$folder" ca
    pki_sign "$folder" apiserver /CN=kube-apiserver "keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=$names$(printf ',IP:%s' 127.0.0.1 10.96.0.1 "$@")"
    pki_sign "$folder" admin /O=system:masters/CN=admin "$pki_client"
    pki_key "$folder/accounts.key"
    openssl pkey -in "$folder/accounts.key" -pubout -out "$folder/accounts.pub"
}

pki_make_node() { # FOLDER
    local part
    for part in kube-controller-manager kube-scheduler kube-proxy; do
        pki_sign "$1" "$part" "/CN=system:$part" "$pki_client"
    done
    pki_sign "$1" node /O=system:nodes/CN=system:node:node1 "$pki_client"
    pki_authority "$1" front-ca
    pki_sign "$1" front /CN=front-proxy "$pki_client" front-ca
}

# pki_kubeconfig FILE SERVER FOLDER NAME: who NAME is, for that server; all keys within, so that the file may be taken along.
pki_kubeconfig() {
    cat >"$1" <<END
apiVersion: v1
kind: Config
clusters:
- name: testbed
  cluster: {server: "$2", certificate-authority-data: $(base64 -w 0 "$3/ca.crt")}
users:
- name: $4
  user: {client-certificate-data: $(base64 -w 0 "$3/$4.crt"), client-key-data: $(base64 -w 0 "$3/$4.key")}
contexts:
- name: testbed
  context: {cluster: testbed, user: $4}
current-context: testbed
END
    chmod 600 "$1"
}
