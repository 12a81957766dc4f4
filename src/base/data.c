/* data: looks for a shipped file in the places where it may lie. Only asks whether it exists; reading is the caller's. */
#include <maestro/data.h>

#include <maestro/file.h>

#include <stdlib.h>

#if !defined(MAESTRO_SOURCE_DATA) || !defined(MAESTRO_INSTALL_DATA)
#error "the build names the data folders"
#endif

bool data_path(const char *name, struct buf *out, struct err *e)
{
    const char *folders[] = {getenv("MAESTRO_DATA"), MAESTRO_SOURCE_DATA, MAESTRO_INSTALL_DATA};
    CLEANUP_BUF struct buf path = {0}, looked = {0};
    if (*name && file_exists(name)) {
        buf_text(out, name);
        return buf_ok(out, e);
    }
    for (size_t i = 0; i < sizeof folders / sizeof *folders && *name && *name != '/'; i++) {
        if (!folders[i] || !*folders[i])
            continue;
        buf_clear(&path);
        buf_printf(&path, "%s/%s", folders[i], name);
        if (!buf_ok(&path, e))
            return false;
        if (file_exists(path.bytes)) {
            buf_append(out, path.bytes, path.len);
            return buf_ok(out, e);
        }
        buf_printf(&looked, ", %s", folders[i]);
    }
    return err_set(e, ERR_USAGE, "'%.150s' does not exist; looked in the current folder%s", name,
                   looked.bytes ? looked.bytes : "");
}
