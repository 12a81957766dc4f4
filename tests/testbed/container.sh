# shellcheck shell=bash disable=SC2154 # set by common.sh
# container: reads the Containerfile, so that whoever makes images without an engine, or checks them, has no second list of stages,
# programs, users and ports. It knows the instructions that our file uses, no more. Sourced behind common.sh.
container_file=$testbed_source/Containerfile

# The stages that are images: those on an empty base.
container_stages() {
    sed -nE 's/^FROM scratch AS ([a-z-]+)$/\1/p' "$container_file"
}

container_stage() { # STAGE: its lines
    awk -v name="$1" '/^FROM /{ on = $NF == name } on' "$container_file"
}

container_program() { # STAGE
    container_stage "$1" | sed -nE 's/^COPY --from=build \/roots\/([a-z-]+) \/$/\1/p'
}

# What follows an instruction of the stage.
container_word() { # STAGE INSTRUCTION
    container_stage "$1" | sed -nE "s/^$2 (.*)$/\1/p"
}

# The "config" of an image of this stage, as an engine writes it.
container_config() { # STAGE
    jq -nc --argjson entry "$(container_word "$1" ENTRYPOINT)" --arg user "$(container_word "$1" USER)" \
        --arg port "$(container_word "$1" EXPOSE)" --arg folder "$(container_word "$1" WORKDIR)" \
        '{Entrypoint: $entry, User: $user} + (if $port != "" then {ExposedPorts: {"\($port)/tcp": {}}} else {} end)
        + (if $folder != "" then {WorkingDir: $folder} else {} end)'
}

# The options of meson with which the images are built.
container_build_options() {
    sed -nE 's/^RUN meson setup \/build \/source (.*) \\$/\1/p' "$container_file"
}
