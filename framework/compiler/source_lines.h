// On which line of a schema something is declared. The Cap'n Proto compiler does not tell its plug-ins, so
// the source is read again; a few tokens are enough for that.
//
// Errors: none. Where the source or the declaration is not found, there is no line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace troupe::compiler {

class SourceLines {
 public:
  // Without a source.
  SourceLines() = default;
  explicit SourceLines(std::string_view source);
  // Looks for the file that the request knows by `name`, from here and from where the Cap'n Proto compiler
  // was started.
  static SourceLines find(std::string_view name);

  // The line of the declaration at `path`, such as {"Bank", "Account", "deposit"}; 0 where there is none.
  unsigned lineOf(const std::vector<std::string>& path) const;

 private:
  struct Declaration {
    std::vector<std::string> path;
    unsigned line;
  };
  std::vector<Declaration> declarations_;
};

}  // namespace troupe::compiler
