// Compares what is done with Troupe with the same done by hand, in one run: a table, or a line of JSON a figure.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>

#include "tests/bench/compare/figure.h"

namespace troupe::bench {
namespace {

struct Options {
  std::string filter;
  int rounds = 3;
  double effort = 1;
  bool json = false;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void print(const Figure& figure, double value, double first, bool json) {
  const double ratio = value / first;
  if (json) {
    std::printf("{\"workload\":\"%s\",\"who\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"ratio\":%.4g}\n",
                figure.workload.c_str(), figure.who.c_str(), value, figure.unit.c_str(), ratio);
  } else {
    std::printf("%-34s %-34s %12.4g %-8s %8.3g\n", figure.workload.c_str(), figure.who.c_str(), value,
                figure.unit.c_str(), ratio);
  }
}

// What is compared stands together; who came first is what the others are measured by.
Figures grouped(const Figures& figures, const std::string& filter) {
  std::map<std::string, Figures> groups;
  for (const Figure& figure : figures) {
    if ((figure.workload + " " + figure.who).find(filter) != std::string::npos)
      groups[figure.workload].push_back(figure);
  }
  Figures all;
  for (const auto& [workload, group] : groups) all.insert(all.end(), group.begin(), group.end());
  return all;
}

int compare(const Options& options) {
  Figures figures;
  addPipes(figures);
  addActors(figures);
  figures = grouped(figures, options.filter);
  std::vector<std::vector<double>> values(figures.size());
  for (int round = 0; round < options.rounds; ++round) {
    for (std::size_t i = 0; i < figures.size(); ++i) {
      std::fflush(nullptr);
      values[i].push_back(inChild(figures[i].measure));
    }
  }
  std::map<std::string, double> first;
  if (!options.json) std::printf("%-34s %-34s %12s %-8s %8s\n", "workload", "who", "median", "unit", "ratio");
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const double value = median(values[i]);
    print(figures[i], value, first.emplace(figures[i].workload, value).first->second, options.json);
  }
  return 0;
}

}  // namespace
}  // namespace troupe::bench

int main(int argc, char** argv) {
  CLI::App app("Compares Troupe with the same done by hand, in one run.");
  troupe::bench::Options options;
  app.add_option("--filter", options.filter, "Only what has this in its workload or who");
  app.add_option("--rounds", options.rounds, "How often each is measured; the median counts")
      ->check(CLI::Range(1, 1000));
  app.add_option("--effort", options.effort, "How much of everything is done: 0.01 is a hundredth")
      ->check(CLI::Range(1e-6, 100.0));
  app.add_flag("--json", options.json, "A line of JSON a figure");
  CLI11_PARSE(app, argc, argv);
  troupe::bench::setEffort(options.effort);
  return troupe::bench::compare(options);
}
