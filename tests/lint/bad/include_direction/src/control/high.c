/* high: may use what lies below. */
#include <maestro/low.h>
