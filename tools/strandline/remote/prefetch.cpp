// strandline prefetch: has a server that runs fetch what nobody has asked for yet.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <deque>
#include <fstream>
#include <iostream>
#include <memory>
#include <thread>

#include "../command.h"
#include "../fetch/byte_spec.h"
#include "../store/answer.h"
#include "remote.h"

namespace strandline::tool {
namespace {

constexpr const char* kPrefetchFooter =
    R"(LIST is a file, or - for standard input, with a path in each line, as clients ask for it, and behind it, if not all
of it is wanted, a range of bytes. Empty lines and those that begin with # say nothing:
  /films/a.mp4
  /films/b.mp4 0-1048575

The server fetches some at once, and readers come first. It is waited for, unless --no-wait says so; on a terminal with
how many are there. --json prints one object for each that has ended:
  {"path":...,"state":"done"}
  {"path":...,"state":"failed","error":...}

Exit codes: 0 done, 1 failed, or one of them is not to be had, 2 wrong command line.)";

constexpr auto kLookEvery = std::chrono::milliseconds(200);
constexpr std::size_t kLookedAt = 32;  // at once: the server has fewer under way

struct PrefetchOptions {
  RemoteOptions remote;
  std::string list;
  bool no_wait = false;
  bool json = false;
};

struct Wanted {
  std::string path;
  ByteRange range{0, kMaxOffset};
  std::string id = {};
};

Result<std::deque<Wanted>> wanted_in(std::istream& list) {
  std::deque<Wanted> all;
  std::size_t number = 0;
  for (std::string line; std::getline(list, line);) {
    ++number;
    const auto wrong = [&](const std::string& what) {
      return fail(Errc::invalid_argument, "line " + std::to_string(number) + ": " + what);
    };
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (line.empty() || line.starts_with('#')) {
      continue;
    }
    const auto blank = line.find_last_of(" \t");
    Wanted one{line.substr(0, line.find_last_not_of(" \t", blank) + 1)};
    if (blank == std::string::npos) {
      one.path = line;
    } else {
      const auto bytes = ByteSpec::parse(line.substr(blank + 1));
      if (!bytes || !bytes->first) {
        return wrong("a path has no blanks, and a range is FIRST-LAST or FIRST-");
      }
      one.range = {*bytes->first, bytes->last ? *bytes->last + 1 : kMaxOffset};
    }
    if (!one.path.starts_with('/')) {
      return wrong("a path begins with '/'");
    }
    all.push_back(std::move(one));
  }
  return all;
}

class Prefetching {
 public:
  Prefetching(RemoteServer& server, Answer& answer, std::deque<Wanted> wanted)
      : server_(server), answer_(answer), waiting_(std::move(wanted)), count_(waiting_.size()) {}

  // Asks for as many as the server takes.
  void ask() {
    while (!waiting_.empty()) {
      Wanted& next = waiting_.front();
      Json body{{"url", next.path}};
      if (next.range != ByteRange{0, kMaxOffset}) {
        body["range"] = {next.range.begin, next.range.end};
      }
      const auto taken = server_.post("prefetch", body);
      if (!taken && taken.error().code == Errc::busy) {
        return;
      }
      if (taken) {
        next.id = taken->value("id", "");
        asked_.push_back(std::move(next));
      } else {
        failed(next, taken.error().message());
      }
      waiting_.pop_front();
    }
  }
  // What has become of those that were asked for first.
  void look() {
    for (std::size_t i = 0; i < std::min(asked_.size(), kLookedAt);) {
      const Wanted& one = asked_[i];
      const auto object = server_.get("objects/" + one.id + "?cells=1&from=" + std::to_string(one.range.begin) +
                                      "&to=" + std::to_string(one.range.end));
      const std::string state = object ? object->value("state", "") : "failed";
      if (state == "failed") {
        failed(one, object ? object->value("error", "") : object.error().message());
      } else if (object->value("strip", "") == "#") {
        ++done_;
        answer_.object({{"path", one.path}, {"state", "done"}});
      } else if (state == "arriving") {
        ++i;
        continue;
      } else {
        failed(one, "it was there, and has gone again");
      }
      asked_.erase(asked_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (answer_.shows_progress()) {
      std::fprintf(stderr, "\r%zu of %zu are there\033[K%s", done_, count_, over() ? "\n" : "");
    }
  }
  [[nodiscard]] bool all_asked() const noexcept { return waiting_.empty(); }
  [[nodiscard]] bool over() const noexcept { return waiting_.empty() && asked_.empty(); }
  [[nodiscard]] int exit() const noexcept { return exit_; }

 private:
  void failed(const Wanted& one, const std::string& why) {
    exit_ = kExitFailed;
    answer_.object({{"path", one.path}, {"state", "failed"}, {"error", why}});
    report("prefetch", one.path + ": " + why);
  }

  RemoteServer& server_;
  Answer& answer_;
  std::deque<Wanted> waiting_;
  std::deque<Wanted> asked_;
  const std::size_t count_;
  std::size_t done_ = 0;
  int exit_ = kExitOk;
};

int run_prefetch(const PrefetchOptions& options) {
  Answer answer("prefetch", options.json);
  auto server = RemoteServer::of(options.remote);
  if (!server) {
    return answer.failed(server.error(), kExitUsage);
  }
  std::ifstream file;
  if (options.list != "-") {
    errno = 0;
    file.open(options.list);
    if (!file) {
      return answer.failed(Error::system(errno != 0 ? errno : EIO, "open", options.list));
    }
  }
  auto wanted = wanted_in(options.list == "-" ? std::cin : file);
  if (!wanted) {
    return answer.failed(wanted.error(), kExitUsage);
  }
  Prefetching prefetching(*server, answer, std::move(*wanted));
  for (;;) {
    prefetching.ask();
    if (options.no_wait ? prefetching.all_asked() : prefetching.over()) {
      return answer.done(prefetching.exit());
    }
    if (!options.no_wait) {
      prefetching.look();
    }
    if (answer.refused()) {
      return answer.done(kExitFailed);
    }
    if (!prefetching.over()) {
      std::this_thread::sleep_for(kLookEvery);
    }
  }
}

}  // namespace

Subcommand add_prefetch(CLI::App& app) {
  const auto options = std::make_shared<PrefetchOptions>();
  CLI::App* const prefetch = app.add_subcommand("prefetch", "Have a server that runs fetch what nobody asked for yet");
  prefetch->add_option("LIST", options->list, "a file with a path in each line; -: standard input")->required();
  prefetch->add_flag("--no-wait", options->no_wait, "only ask for them");
  prefetch->add_flag("--json", options->json, "one JSON object for each that has ended");
  add_remote_options(*prefetch, options->remote);
  prefetch->footer(kPrefetchFooter);
  return {prefetch, [options] { return run_prefetch(*options); }};
}

}  // namespace strandline::tool
