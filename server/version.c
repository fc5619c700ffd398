/** The build id comes from a header that the build generates: a hash of all that goes into the program. */
#include "app.h"
#include "build_id.h"

const char *tally_version(void)
{
    return "0.1.0";
}

const char *tally_build_id(void)
{
    return TALLY_BUILD_ID;
}
