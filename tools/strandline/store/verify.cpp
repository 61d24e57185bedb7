#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "../command.h"
#include "../output.h"
#include "../progress.h"
#include "answer.h"
#include "existing.h"

namespace strandline::tool {
namespace {

constexpr std::chrono::milliseconds kTick{250};

struct VerifyOptions {
  std::string directory;
  bool repair = false;
  bool json = false;
};

constexpr const char* kVerifyFooter =
    R"(Reads every byte that is there, and compares each block of 64 KiB with its checksum. Blocks that are not complete
have none; they are read all the same. (inspect shows how many bytes of an entry have one.)

--repair gives up bad blocks, to be fetched again by whoever wants them, and removes entries of which nothing is
believed: the header of the journal, or the data file that it speaks of, is gone. What another process is writing is left to it. Without --repair
nothing of it is touched; but as with any opening, what a crash has left of a journal is cut off.

On a terminal a line shows how far it has come. What is bad is printed as KEY RANGE, the range as --range takes it.

--json prints one object per line, ranges as "begin" and "end", the end not included:
  {"event":"bad","key":...,"begin":...,"end":...,"repaired":...}      "key_hex" for a key that is no UTF-8
  {"event":"unreadable","name":...,"code":...,"message":...,"removed":...}
  {"event":"done","entries":...,"bytes":...,"bad_bytes":...,"repaired_bytes":...,"unreadable":...,"torn_journals":...}

Exit codes: 0 all is what it was, 1 something bad was found, repaired or not, or verifying failed, 2 wrong command line,
130 after Ctrl-C (128 + signal).

Examples:
  strandline verify ~/.cache/films
  strandline verify ~/.cache/films --repair || strandline verify ~/.cache/films    the second: is it clean now?
  strandline verify ~/.cache/films --json | jq -r 'select(.event == "bad") | .key' | sort -u)";

// What has been told of a report that only grows.
class Findings {
 public:
  explicit Findings(Answer& answer) : answer_(answer) {}

  [[nodiscard]] bool has_news(const store::VerifyReport& report) const noexcept {
    return bad_ + 1 < report.bad.size() || unreadable_ < report.unreadable.size();
  }
  // All but the last bad range, which may yet become longer.
  void tell(const store::VerifyReport& report) {
    tell_bad(report, report.bad.empty() ? 0 : report.bad.size() - 1);
    tell_unreadable(report);
  }
  void tell_rest(const store::VerifyReport& report) {
    tell_bad(report, report.bad.size());
    tell_unreadable(report);
  }
  [[nodiscard]] std::uint64_t repaired_bytes() const noexcept { return repaired_bytes_; }

 private:
  void tell_bad(const store::VerifyReport& report, std::size_t count) {
    for (; bad_ < count; ++bad_) {
      const store::VerifyReport::Bad& bad = report.bad[bad_];
      repaired_bytes_ += bad.given_up ? bad.range.size() : 0;
      Json object{{"event", "bad"}};
      put_key(object, bad.key);
      object["begin"] = bad.range.begin;
      object["end"] = bad.range.end;
      object["repaired"] = bad.given_up;
      answer_.object(object);
      answer_.line(key_text(bad.key) + " " + range_text(bad.range) + (bad.given_up ? " bad, given up" : " bad"));
    }
  }
  void tell_unreadable(const store::VerifyReport& report) {
    for (; unreadable_ < report.unreadable.size(); ++unreadable_) {
      const store::VerifyReport::Unreadable& entry = report.unreadable[unreadable_];
      answer_.object({{"event", "unreadable"},
                      {"name", entry.name},
                      {"code", std::string(to_string(entry.why.code))},
                      {"message", entry.why.message()},
                      {"removed", entry.removed}});
      answer_.line(entry.name + " unreadable" + (entry.removed ? ", removed: " : ": ") + entry.why.message());
    }
  }

  Answer& answer_;
  std::size_t bad_ = 0;
  std::size_t unreadable_ = 0;
  std::uint64_t repaired_bytes_ = 0;
};

// A line on a terminal, now and then. Findings go in between.
class Line {
 public:
  Line(bool shown, std::uint64_t of) : shown_(shown), of_(of) {}

  void show(const store::VerifyReport& report) {
    if (!shown_ || Clock::now() < next_) {
      return;
    }
    next_ = Clock::now() + kTick;
    visible_ = true;
    std::string text = size_text(report.bytes) + " of about " + size_text(of_) + "  " + std::to_string(report.entries) +
                       " entries  " + std::to_string(report.bad_bytes) + " bytes bad";
    text = "\r" + text.substr(0, terminal_columns(STDERR_FILENO)) + "\x1b[K";
    std::fputs(text.c_str(), stderr);
  }
  void hide() {
    if (std::exchange(visible_, false)) {
      std::fputs("\r\x1b[K", stderr);
    }
  }

 private:
  const bool shown_;
  const std::uint64_t of_;
  bool visible_ = false;
  Clock::time_point next_ = Clock::now() + kTick;
};

std::string summary(const store::VerifyReport& report, std::uint64_t repaired_bytes) {
  std::string text = std::to_string(report.entries) + (report.entries == 1 ? " entry, " : " entries, ") +
                     size_text(report.bytes) + " read: ";
  if (report.bad_bytes == 0 && report.unreadable.empty()) {
    text += "all is what it was";
  } else {
    text += std::to_string(report.bad_bytes) + " bytes bad, " + std::to_string(repaired_bytes) + " of them given up; " +
            std::to_string(report.unreadable.size()) + " unreadable";
  }
  if (report.torn_journals > 0) {
    text += "; what a crash had left of " + std::to_string(report.torn_journals) + " journals was cut off";
  }
  return text;
}

int run_verify(const VerifyOptions& options) {
  Answer answer("verify", options.json);
  std::atomic<bool> stop{false};  // written by the watching thread
  const SignalWatch signals([&stop] { stop = true; });
  auto store = open_existing(options.directory);
  if (!store) {
    return answer.failed(store.error());
  }
  const auto stats = store->stats();
  Line line(answer.shows_progress(), stats ? stats->bytes : 0);
  Findings findings(answer);
  const auto report = store->verify(options.repair, [&](const store::VerifyReport& so_far) {
    if (findings.has_news(so_far)) {
      line.hide();
      findings.tell(so_far);
    }
    line.show(so_far);
    return !stop;
  });
  line.hide();
  if (!report) {
    return answer.failed(report.error());
  }
  findings.tell_rest(*report);
  if (signals.caught() != 0) {
    return answer.failed(Error::make(Errc::interrupted, options.directory + ": stopped by a signal"),
                         kExitSignal + signals.caught());
  }
  answer.object({{"event", "done"},
                 {"entries", report->entries},
                 {"bytes", report->bytes},
                 {"bad_bytes", report->bad_bytes},
                 {"repaired_bytes", findings.repaired_bytes()},
                 {"unreadable", report->unreadable.size()},
                 {"torn_journals", report->torn_journals}});
  const bool clean = report->bad_bytes == 0 && report->unreadable.empty();
  if (answer.terminal() || !clean) {
    answer.line(summary(*report, findings.repaired_bytes()));
  }
  return answer.done(clean ? kExitOk : kExitFailed);
}

}  // namespace

Subcommand add_verify(CLI::App& app) {
  const auto options = std::make_shared<VerifyOptions>();
  CLI::App* const verify = app.add_subcommand("verify", "Compare what a store holds with its checksums");
  verify->add_option("DIR", options->directory, "the store")->required();
  verify->add_flag("--repair", options->repair, "give up what is bad, to be fetched again");
  verify->add_flag("--json", options->json, "one JSON object per finding");
  verify->footer(kVerifyFooter);
  return {verify, [options] { return run_verify(*options); }};
}

}  // namespace strandline::tool
