#include "actors/waiting.h"

#include "actor/pending_calls.h"

namespace troupe::actors {

std::string inWords(Duration wait) { return actor::readable(wait); }

}  // namespace troupe::actors
