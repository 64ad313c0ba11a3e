// The commands of `troupe dead-letters`. Each returns what is to be printed.
//
// Errors: Failure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/commands.h"

namespace troupe::cli {

struct SchemaFiles {
  std::vector<std::string> files;
  std::vector<std::string> imports;
};

std::string listLetters(const std::string& app, const Style& style);
// By the schema, where there is one; otherwise as bytes.
std::string showLetter(const std::string& app, std::uint64_t number, const SchemaFiles& schema,
                       const Style& style);
// The same for a letter that was saved.
std::string showFile(const std::string& file, const SchemaFiles& schema, const Style& style);
std::string resendLetter(const std::string& app, std::uint64_t number, const Style& style);
// 0: all.
std::string purgeLetters(const std::string& app, std::uint64_t number, const Style& style);
std::string saveLetter(const std::string& app, std::uint64_t number, const std::string& file,
                       const Style& style);

}  // namespace troupe::cli
