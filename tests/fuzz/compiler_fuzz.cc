// A request of any bytes for the schema compiler's plug-in: it answers with code, refusals or an exception.
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <cstdint>
#include <cstring>
#include <exception>

#include "compiler/header.h"
#include "compiler/refusals.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe::compiler;
  auto words = kj::heapArray<capnp::word>(size / sizeof(capnp::word));
  if (words.size() > 0) std::memcpy(words.begin(), data, words.asBytes().size());
  try {
    capnp::ReaderOptions options;
    options.traversalLimitInWords = 1 << 17;
    capnp::FlatArrayMessageReader reader(words, options);
    const Schema schema(reader.getRoot<capnp::schema::CodeGeneratorRequest>());
    for (const auto file : schema.request().getRequestedFiles()) {
      if (refusals(schema, file).empty()) static_cast<void>(headerCode(schema, file));
    }
  } catch (const kj::Exception&) {
  } catch (const std::exception&) {}
  return 0;
}
