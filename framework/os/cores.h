// Whether there is a core to spare, and who takes one.
#pragma once

#include <string_view>

namespace troupe::os {

// Whether a process that keeps its core busy keeps it from nobody: this process may run on several cores, and no more than those
// processes are running or waiting to run, on the whole machine, this one included. A guess, of this moment; where the system does not
// tell, true.
bool coreToSpare();

// A patient process that is woken where another one runs waits until that sleeps or has had its time, instead of taking the core at
// once (SCHED_BATCH). Changes nothing for one that was given a policy of its own, or where the system says no.
void setPatient(bool patient);

// Processes that run or wait to run, from the text of /proc/loadavg; 0, where it makes no sense.
unsigned runnableOf(std::string_view loadavg);

}  // namespace troupe::os
