/* yaml_json: a YAML tree written as JSON, with the types that its plain words have: null, true and false, numbers, texts. Words
 * that one reader of YAML takes for a text and another for something else (yes, on, 010, 0x1f, 1_000) are refused: quotes
 * make them a text. */
#ifndef MAESTRO_YAML_JSON_H
#define MAESTRO_YAML_JSON_H

#include <maestro/json_write.h>
#include <maestro/yaml.h>

/* Writes node as one value. name stands in messages, "name:line: ..."; ERR_FORMAT, and w then holds part of it. */
MUST_CHECK bool yaml_json(const struct yaml_node *node, const char *name, struct json_writer *w, struct err *e);

#endif
