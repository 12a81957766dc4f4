/* low: reaches upward. */
#include <maestro/high.h>
