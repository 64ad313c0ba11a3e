#include "compiler/source_lines.h"

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

namespace troupe::compiler {
namespace {

struct Token {
  std::string text;
  unsigned line;
};

bool isWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Words and single characters, without comments, strings and spaces.
std::vector<Token> tokenize(std::string_view source) {
  std::vector<Token> tokens;
  unsigned line = 1;
  for (std::size_t i = 0; i < source.size();) {
    const char c = source[i];
    if (c == '\n') ++line;
    if (c == '#') {
      while (i < source.size() && source[i] != '\n') ++i;
    } else if (c == '"') {
      for (++i; i < source.size() && source[i] != '"' && source[i] != '\n'; ++i)
        i += source[i] == '\\' ? 1 : 0;
      ++i;
    } else if (isWord(c)) {
      const auto begin = i;
      while (i < source.size() && isWord(source[i])) ++i;
      tokens.push_back({std::string(source.substr(begin, i - begin)), line});
    } else {
      if (std::isspace(static_cast<unsigned char>(c)) == 0) tokens.push_back({std::string(1, c), line});
      ++i;
    }
  }
  return tokens;
}

std::string readAll(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string parentProcess() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "PPid:" && status >> word) return word;
  }
  return "self";
}

// The compiler changes into the output folder before it starts a plug-in, and strips --src-prefix from names:
// so the folder that it was started in, and its arguments, are what leads back to the source.
std::vector<std::filesystem::path> candidates(std::string_view name) {
  std::error_code ignored;
  const auto parent = std::filesystem::path("/proc") / parentProcess();
  std::vector<std::filesystem::path> folders;
  if (const auto cwd = std::filesystem::read_symlink(parent / "cwd", ignored); !ignored)
    folders.push_back(cwd);
  if (const char* pwd = std::getenv("PWD")) folders.emplace_back(pwd);
  folders.emplace_back(".");

  std::vector<std::filesystem::path> paths;
  std::istringstream arguments(readAll(parent / "cmdline"));
  for (std::string argument; std::getline(arguments, argument, '\0');) {
    if (argument.ends_with(name)) paths.push_back(folders.front() / argument);
  }
  for (const auto& folder : folders) paths.push_back(folder / name);
  return paths;
}

}  // namespace

SourceLines::SourceLines(std::string_view source) {
  const auto tokens = tokenize(source);
  std::vector<std::string> scope;
  std::string pending;  // the name that the next brace belongs to
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto& text = tokens[i].text;
    const bool declares = text == "interface" || text == "struct" || text == "enum";
    const bool statement =
        i == 0 || tokens[i - 1].text == ";" || tokens[i - 1].text == "{" || tokens[i - 1].text == "}";
    const bool member = i + 1 < tokens.size() && tokens[i + 1].text == "@" && isWord(text[0]);
    if (statement && declares && i + 1 < tokens.size() && isWord(tokens[i + 1].text[0])) {
      pending = tokens[i + 1].text;
    } else if (!(statement && member)) {
      if (text == ";") pending.clear();
      if (text == "{") scope.push_back(std::exchange(pending, {}));
      if (text == "}" && !scope.empty()) scope.pop_back();
      continue;
    }
    auto path = scope;
    path.push_back(member ? text : pending);
    declarations_.push_back({std::move(path), tokens[i].line});
  }
}

SourceLines SourceLines::find(std::string_view name) {
  std::error_code ignored;
  for (const auto& path : candidates(name)) {
    if (std::filesystem::is_regular_file(path, ignored)) return SourceLines(readAll(path));
  }
  return {};
}

unsigned SourceLines::lineOf(const std::vector<std::string>& path) const {
  for (const auto& declaration : declarations_) {
    if (declaration.path == path) return declaration.line;
  }
  return 0;
}

}  // namespace troupe::compiler
