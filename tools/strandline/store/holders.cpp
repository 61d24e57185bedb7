#include "holders.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

namespace strandline::tool {
namespace {

namespace fs = std::filesystem;

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// What proc(5) has: "lock:  1: OFDLCK  ADVISORY  WRITE -1 fd:01:1234 0 99", the last byte of it or EOF at the end.
std::optional<ByteRange> hold_in(const std::string& line) {
  std::istringstream words(line);
  std::string title, ordinal, kind, advisory, how, pid, file, first, last;
  words >> title >> ordinal >> kind >> advisory >> how >> pid >> file >> first >> last;
  const auto begin = number(first);
  if (title != "lock:" || kind != "OFDLCK" || !begin) {
    return std::nullopt;
  }
  return ByteRange{*begin, last == "EOF" ? kMaxOffset : number(last).value_or(*begin) + 1};
}

std::vector<ByteRange> holds_of(const fs::path& process, const fs::path& name, const struct ::stat& file) {
  std::vector<ByteRange> holds;
  std::error_code gone;  // processes and their files go while they are looked at
  for (fs::directory_iterator it(process / "fd", gone), end; !gone && it != end; it.increment(gone)) {
    // By its name first: to ask for the facts of any file at all could wait for a dead server.
    std::error_code unseen;
    struct ::stat facts {};
    if (fs::read_symlink(it->path(), unseen).filename() != name || ::stat(it->path().c_str(), &facts) != 0 ||
        facts.st_dev != file.st_dev || facts.st_ino != file.st_ino) {
      continue;
    }
    std::ifstream info(process / "fdinfo" / it->path().filename());
    for (std::string line; std::getline(info, line);) {
      if (const auto hold = hold_in(line)) {
        holds.push_back(*hold);
      }
    }
  }
  std::sort(holds.begin(), holds.end());
  return holds;
}

}  // namespace

std::vector<Holder> holders_of(const std::string& path) {
  std::vector<Holder> holders;
  struct ::stat file {};
  if (::stat(path.c_str(), &file) != 0) {
    return holders;
  }
  std::error_code gone;
  for (fs::directory_iterator it("/proc", gone), end; !gone && it != end; it.increment(gone)) {
    const auto pid = number(it->path().filename().native());
    if (!pid) {
      continue;
    }
    auto holds = holds_of(it->path(), fs::path(path).filename(), file);
    if (!holds.empty()) {
      Holder holder{static_cast<long>(*pid), {}, std::move(holds)};
      std::ifstream name(it->path() / "comm");
      std::getline(name, holder.command);
      holders.push_back(std::move(holder));
    }
  }
  std::sort(holders.begin(), holders.end(), [](const Holder& a, const Holder& b) { return a.pid < b.pid; });
  return holders;
}

}  // namespace strandline::tool
