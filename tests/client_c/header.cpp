// The header in a C++ program, and a call of every kind through it: linked with the C source.
#include "tally.h"

#include <cstdio>

int main()
{
    tally_options options = {};
    options.project = "cplusplus";
    struct tally *run = nullptr;
    if (tally_open(&options, &run) != TALLY_OK)
        return 1;
    const int64_t confusion[] = {3, 1, 0, 4};
    tally_record record = {};
    record.stage = "test";
    record.form = TALLY_CONFUSION;
    record.n_class = 2;
    record.confusion = confusion;
    int error = tally_log(run, &record);
    int64_t left = tally_flush(run, 10);
    std::printf("%s %d %lld\n", tally_id(run), error, static_cast<long long>(left));
    return tally_close(run, "finished", 10, nullptr);
}
