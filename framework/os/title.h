// The title of this process as ps and pstree show it: command line and thread name.
#pragma once

#include <string>

namespace troupe::os {

// Must be called once, early in main, before setTitle() can do its work in this process or a child forked
// from it: moves the arguments and the environment elsewhere (argv[i] and environ stay valid, pointing to
// copies) so that their place is free.
void reserveTitle(int argc, char** argv);

// The command line shows all of it, as far as there is room; the thread name (15 bytes) its last part.
void setTitle(const std::string& title);

}  // namespace troupe::os
