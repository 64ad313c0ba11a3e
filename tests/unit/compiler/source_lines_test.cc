// Where in a schema something is declared.
#include "compiler/source_lines.h"

#include <gtest/gtest.h>

namespace troupe::compiler {
namespace {

TEST(SourceLinesTest, FindsInterfacesAndTheirMembers) {
  const SourceLines lines(
      "@0xd5b6c3a0f1e24788;\n"
      "# interface Fake { greet @0 () -> (); }\n"
      "interface Greeter {\n"
      "  greet @0 (name :Text = \"interface Fake {\") -> (greeting :Text);\n"
      "  forget @1 (name :Text) -> stream;  # forget @1\n"
      "}\n");

  EXPECT_EQ(lines.lineOf({"Greeter"}), 3u);
  EXPECT_EQ(lines.lineOf({"Greeter", "greet"}), 4u);
  EXPECT_EQ(lines.lineOf({"Greeter", "forget"}), 5u);
  EXPECT_EQ(lines.lineOf({"Fake"}), 0u);
  EXPECT_EQ(lines.lineOf({"Greeter", "missing"}), 0u);
}

TEST(SourceLinesTest, TellsEqualNamesInDifferentPlacesApart) {
  const SourceLines lines(
      "interface A @0xabc123abc123abc1 { run @0 () -> (); }\n"
      "struct Outer { value @0 :Text; union { a @1 :Void; b :group { run @2 :Text; } }\n"
      "  interface A(T) extends(B(T)) {\n"
      "    run @0 () -> ();\n"
      "  }\n"
      "}\n"
      "interface B { struct C {}\n"
      "  run @0 () -> (); }\n");

  EXPECT_EQ(lines.lineOf({"A", "run"}), 1u);
  EXPECT_EQ(lines.lineOf({"Outer", "A", "run"}), 4u);
  EXPECT_EQ(lines.lineOf({"Outer", "A"}), 3u);
  EXPECT_EQ(lines.lineOf({"B", "run"}), 8u);
  EXPECT_EQ(lines.lineOf({"B", "C"}), 7u);
}

TEST(SourceLinesTest, TakesAnyText) {
  EXPECT_EQ(SourceLines("").lineOf({"A"}), 0u);
  EXPECT_EQ(SourceLines("}}} { interface @ interface {{{ \"").lineOf({"A"}), 0u);
  EXPECT_EQ(SourceLines().lineOf({"A"}), 0u);
}

}  // namespace
}  // namespace troupe::compiler
