#include "os/cores.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <charconv>

#include "os/fd.h"
#include "os/limits.h"

namespace troupe::os {

// "0.20 0.18 0.12 1/80 11206": the first number of the fourth word.
unsigned runnableOf(std::string_view loadavg) {
  for (int word = 0; word < 3; ++word) {
    const auto space = loadavg.find(' ');
    if (space == std::string_view::npos) return 0;
    loadavg.remove_prefix(space + 1);
  }
  unsigned running = 0;
  const auto [end, error] = std::from_chars(loadavg.data(), loadavg.data() + loadavg.size(), running);
  const bool sound = error == std::errc() && end != loadavg.data() + loadavg.size() && *end == '/';
  return sound ? running : 0;
}

bool coreToSpare() {
  const unsigned cores = usableCores();
  if (cores < 2) return false;
  const Fd file(::open("/proc/loadavg", O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return true;
  char text[128];
  const ssize_t got = ::read(file.get(), text, sizeof text);
  return got <= 0 || runnableOf({text, static_cast<std::size_t>(got)}) <= cores;
}

void setPatient(bool patient) {
  const int from = patient ? SCHED_OTHER : SCHED_BATCH;
  if (::sched_getscheduler(0) != from) return;
  const sched_param parameters{};
  (void)::sched_setscheduler(0, patient ? SCHED_BATCH : SCHED_OTHER, &parameters);
}

}  // namespace troupe::os
