# shellcheck shell=bash disable=SC2154 # set by common.sh
# node_images: images for the bed's containerd from a folder, without a registry and without an engine: one layer, one
# configuration, in the form that `docker save` writes. Sourced behind common.sh.

image_still=(--sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner) # the same bytes for the same files

# image_pack REFERENCE ROOT CONFIG FOLDER: layer, configuration and table of contents, into FOLDER. CONFIG is JSON: Entrypoint, User...
image_pack() {
    local digest
    mkdir -p "$4"
    tar "${image_still[@]}" -C "$2" -cf "$4/layer.tar" .
    digest=$(sha256sum <"$4/layer.tar" | cut -d' ' -f1)
    jq -nc --arg digest "sha256:$digest" --arg machine "$(image_machine)" --argjson config "$3" '{architecture: $machine,
        os: "linux", config: $config, rootfs: {type: "layers", diff_ids: [$digest]}}' >"$4/config.json"
    jq -nc --arg reference "$1" '[{Config: "config.json", RepoTags: [$reference], Layers: ["layer.tar"]}]' >"$4/manifest.json"
}

image_tar() { # FOLDER: the archive, on standard output
    tar "${image_still[@]}" -C "$1" -cf - manifest.json config.json layer.tar
}

# image_is_there REFERENCE FOLDER: whether containerd has just what lies packed in the folder, under that name.
image_is_there() {
    local manifest have
    manifest=$(image_ctr images ls "name==$1" | awk 'NR == 2 { print $3 }')
    [ -n "$manifest" ] || return 1
    have=$(image_ctr content get "$manifest" | jq -r .config.digest)
    [ "$have" = "sha256:$(sha256sum <"$2/config.json" | cut -d' ' -f1)" ]
}

image_ctr() {
    ctr -a "$bed_containerd" -n k8s.io "$@"
}

# This machine, in the words of images.
image_machine() {
    case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) uname -m ;;
    esac
}

image_import() { # reads an archive
    image_ctr images import - >/dev/null
}

# What holds a pod's network: kubelet can start no pod without it.
import_pause() {
    local root=$bed_state/pause
    mkdir -p "$root"
    gcc -Os -static -o "$root/pause" "$testbed_folder/pause.c"
    image_pack localhost/pause:1 "$root" '{"Entrypoint": ["/pause"], "User": "65532:65532"}' "$bed_state/pause.image"
    image_tar "$bed_state/pause.image" | image_import
}
