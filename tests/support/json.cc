#include "tests/support/json.h"

#include <cctype>
#include <stdexcept>

namespace tests {

namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  JsonValue document() {
    JsonValue value = this->value();
    skip();
    if (at_ != text_.size()) fail("something follows");
    return value;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error(what + " at " + std::to_string(at_) + " of: " + std::string(text_));
  }
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  char peek() {
    skip();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(std::string("no ") + c);
  }

  std::string string() {
    expect('"');
    std::string result;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (static_cast<unsigned char>(text_[at_]) < ' ') fail("a control character");
      if (text_[at_] == '\\') result += text_[at_++];
      if (at_ < text_.size()) result += text_[at_++];
    }
    expect('"');
    return result;
  }

  JsonValue value() {
    JsonValue result;
    const char first = peek();
    if (first == '{') {
      result.kind = 'o';
      ++at_;
      while (peek() != '}') {
        const std::string name = string();
        expect(':');
        if (!result.fields.emplace(name, value()).second) fail("twice: " + name);
        if (!take(',')) break;
        if (peek() == '}') fail("a comma too many");
      }
      expect('}');
    } else if (first == '[') {
      result.kind = 'a';
      ++at_;
      while (peek() != ']') {
        result.items.push_back(value());
        if (!take(',')) break;
        if (peek() == ']') fail("a comma too many");
      }
      expect(']');
    } else if (first == '"') {
      result.kind = 's';
      result.text = string();
    } else {
      const auto end = text_.find_first_of(",]} \n", at_);
      result.text = text_.substr(at_, end - at_);
      if (result.text == "true" || result.text == "false" || result.text == "null") {
        result.kind = result.text == "null" ? '0' : result.text[0];
      } else {
        result.kind = 'n';
        std::size_t used = 0;
        static_cast<void>(std::stod(result.text, &used));
        if (used != result.text.size()) fail("no value");
      }
      at_ += result.text.size();
    }
    return result;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

JsonValue parseJson(std::string_view text) { return Parser(text).document(); }

}  // namespace tests
