// Compares what is done with Troupe with the same done by hand, in one run: a table, or a line of JSON a
// figure.
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <map>
#include <set>

#include "tests/bench/compare/figure.h"

namespace troupe::bench {
namespace {

struct Options {
  std::string filter;
  int rounds = 3;
  double effort = 1;
  bool json = false;
  bool peers = false;
};

double median(std::vector<double> values) {
  if (values.empty()) return NAN;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string inJson(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return std::isnan(value) ? "null" : text;
}

void print(const Figure& figure, double value, double first, bool json) {
  const double ratio = value / first;
  if (json) {
    std::printf("{\"workload\":\"%s\",\"who\":\"%s\",\"value\":%s,\"unit\":\"%s\",\"ratio\":%s}\n",
                figure.workload.c_str(), figure.who.c_str(), inJson(value, 6).c_str(), figure.unit.c_str(),
                inJson(ratio, 4).c_str());
  } else if (std::isnan(value)) {
    std::printf("%-38s %-34s %12s\n", figure.workload.c_str(), figure.who.c_str(), "failed");
  } else {
    std::printf("%-38s %-34s %12.4g %-8s %8.3g\n", figure.workload.c_str(), figure.who.c_str(), value,
                figure.unit.c_str(), ratio);
  }
}

// What is compared stands together; who came first is what the others are measured by.
Figures grouped(const Figures& figures, const std::string& filter) {
  std::vector<Figures> groups;
  std::map<std::string, std::size_t> groupOf;
  for (const Figure& figure : figures) {
    if ((figure.workload + " " + figure.who).find(filter) == std::string::npos) continue;
    const auto [found, isNew] = groupOf.emplace(figure.workload, groups.size());
    if (isNew) groups.emplace_back();
    groups[found->second].push_back(figure);
  }
  Figures all;
  for (const Figures& group : groups) all.insert(all.end(), group.begin(), group.end());
  return all;
}

Figures allFigures(bool peers) {
  Figures figures;
  addPipes(figures);
  addActors(figures);
  addLarge(figures);
  addStarts(figures);
  addKills(figures);
  addMemory(figures);
  addScale(figures);
  addEcho(figures);
  addFanOut(figures);
  addRing(figures);
  addCounting(figures);
  addPingPong(figures);
  addChameneos(figures);
  addBig(figures);
  addBoundedBuffer(figures);
  addDictionary(figures);
  addPhilosophers(figures);
  if (peers) addPeers(figures);
  return figures;
}

int compare(const Options& options) {
  const Figures figures = grouped(allFigures(options.peers), options.filter);
  std::vector<std::vector<double>> values(figures.size());
  std::set<std::size_t> failed;
  for (int round = 0; round < options.rounds; ++round) {
    for (std::size_t i = 0; i < figures.size(); ++i) {
      if (failed.contains(i)) continue;
      std::fflush(nullptr);
      setSubject(figures[i].workload + ", " + figures[i].who);
      const auto value = inChild(figures[i].measure);
      if (value) values[i].push_back(*value);
      if (!value) failed.insert(i);
    }
  }
  std::map<std::string, double> first;
  if (!options.json) std::printf("%-38s %-34s %12s %-8s %8s\n", "workload", "who", "median", "unit", "ratio");
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const double value = failed.contains(i) ? NAN : median(values[i]);
    print(figures[i], value, first.emplace(figures[i].workload, value).first->second, options.json);
  }
  return failed.empty() ? 0 : 1;
}

void onSignal(int signal) {
  killChild();
  ::_exit(128 + signal);
}

}  // namespace
}  // namespace troupe::bench

int main(int argc, char** argv) {
  CLI::App app(
      "Compares Troupe with the same done by hand, in one run. A ratio is the value by that of who comes first.");
  troupe::bench::Options options;
  app.add_option("--filter", options.filter, "Only what has this in its workload or who");
  app.add_option("--rounds", options.rounds, "How often each is measured; the median counts")
      ->check(CLI::Range(1, 1000));
  app.add_option("--effort", options.effort, "How much of everything is done: 0.01 is a hundredth")
      ->check(CLI::Range(1e-6, 100.0));
  app.add_flag("--json", options.json, "A line of JSON a figure");
  app.add_flag("--peers", options.peers, "Also with other means, as far as they are installed and built");
  CLI11_PARSE(app, argc, argv);
  troupe::bench::setEffort(options.effort);
  std::signal(SIGINT, troupe::bench::onSignal);
  std::signal(SIGTERM, troupe::bench::onSignal);
  return troupe::bench::compare(options);
}
