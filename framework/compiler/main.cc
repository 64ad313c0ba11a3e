// capnpc-troupe: a plug-in of the Cap'n Proto compiler. For each x.capnp it writes x.actor.h.
//
// Input:  a CodeGeneratorRequest on standard input, as `capnp compile` gives it.
// Output: files below the current folder, which `capnp compile` has chosen. None is written unless all can be
//         served.
// Errors: lines on standard error, and exit code 1.
#include "compiler/header.h"
#include "compiler/refusals.h"
#include "compiler/text.h"

#include <capnp/serialize.h>
#include <kj/array.h>
#include <kj/exception.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace troupe::compiler {
namespace {

constexpr const char* kVersion = "0.1.0";
constexpr const char* kHelp =
    "capnpc-troupe, a plug-in of the Cap'n Proto compiler. It writes x.actor.h for each x.capnp, with what\n"
    "Troupe's actors and refs need of its interfaces. Run it through the compiler, together with C++'s own:\n"
    "\n"
    "    capnp compile -oc++ -otroupe greeter.capnp\n"
    "\n"
    "  --help     print this and exit\n"
    "  --version  print the version and exit\n";

std::runtime_error failure(const std::string& text) { return std::runtime_error("capnpc-troupe: " + text); }

bool stdinIsTerminal() {
  std::error_code ignored;
  const auto target = std::filesystem::read_symlink("/proc/self/fd/0", ignored).string();
  return target.starts_with("/dev/pts/") || target.starts_with("/dev/tty") || target == "/dev/console";
}

// Standard input as whole words.
kj::Array<capnp::word> readInput() {
  const std::string bytes((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
  if (bytes.empty())
    throw failure("standard input is empty; run it through the compiler: capnp compile -otroupe x.capnp");
  auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  std::memcpy(words.begin(), bytes.data(), words.asBytes().size());
  return words;
}

void writeFile(const std::filesystem::path& path, const std::string& text) {
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  errno = 0;
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (out.fail())
    throw failure(
        str("can't write ", path.string(), ": ", errno == 0 ? "unknown error" : std::strerror(errno)));
}

// Exit code 1 where a schema can't be served, after saying why.
int generate(Request request) {
  if (request.getRequestedFiles().size() == 0) throw failure("the request names no schema");
  const Schema schema(request);
  bool refused = false;
  for (const auto file : request.getRequestedFiles()) {
    for (const auto& line : refusals(schema, file)) {
      std::cerr << line << '\n';
      refused = true;
    }
  }
  if (refused) return 1;
  for (const auto file : request.getRequestedFiles()) {
    writeFile(headerName(file.getFilename().cStr()), headerCode(schema, file));
  }
  return 0;
}

int run(const std::vector<std::string>& arguments) {
  const bool help = arguments.empty() ? stdinIsTerminal() : arguments[0] == "--help";
  if (help) {
    std::cout << kHelp;
    return 0;
  }
  if (!arguments.empty() && arguments[0] == "--version") {
    std::cout << "capnpc-troupe " << kVersion << '\n';
    return 0;
  }
  if (!arguments.empty()) throw failure(str("unknown argument \"", arguments[0], "\"; see --help"));

  const auto words = readInput();
  // A request is as long as its schemas: nobody would amplify it, and every node may be read often.
  capnp::ReaderOptions options;
  options.traversalLimitInWords = ~std::uint64_t{0} / sizeof(capnp::word);
  capnp::FlatArrayMessageReader reader(words, options);
  return generate(reader.getRoot<capnp::schema::CodeGeneratorRequest>());
}

}  // namespace
}  // namespace troupe::compiler

int main(int argc, char** argv) {
  try {
    return troupe::compiler::run({argv + 1, argv + argc});
  } catch (const kj::Exception& error) {
    std::cerr << "capnpc-troupe: standard input is not a request of the Cap'n Proto compiler: "
              << error.getDescription().cStr() << '\n';
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
  }
  return 1;
}
