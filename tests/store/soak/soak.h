// What the processes of a store's soak share: what each version of each key holds, and a page of memory in which they
// tell each other what they do and what has gone wrong.
// Threads: as each type says. Blocks: never. Errors: a wrong answer is a complaint, the first of which is kept. Cost:
// none worth naming. Lifetime: the page outlives all processes of a run.
#pragma once

#include <strandline/store/store.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace strandline::soak {

constexpr std::uint64_t kChunk = 1 << 20;  // what an eviction takes at once
constexpr std::uint64_t kCap = 3 * kChunk;
constexpr unsigned kKeys = 5;
constexpr unsigned kVersions = 4;  // 0: no validator
constexpr unsigned kSeats = 4;     // processes at a time

// From mixed bits: neighbours, pages, keys and versions all differ.
inline std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

// A version of a key's content.
struct Version {
  unsigned key = 0;
  unsigned number = 0;

  [[nodiscard]] std::string name() const { return "key" + std::to_string(key); }
  [[nodiscard]] store::Validator validator() const {
    return number == 0 ? store::Validator{}
                       : store::Validator{store::Validator::Kind::strong, "v" + std::to_string(number)};
  }
  // That a lease is of: what it serves must be of exactly this one.
  static Version of(const store::Lease& lease) {
    Version version;
    version.key = static_cast<unsigned>(lease.key().back() - '0');
    version.number = lease.validator().value.empty() ? 0 : static_cast<unsigned>(lease.validator().value.back() - '0');
    return version;
  }
  // Some are of a few bytes, some of several chunks.
  [[nodiscard]] std::uint64_t length() const {
    const std::uint64_t some = mixed(key * 131 + number * 7 + 5);
    return some % 5 == 0 ? some % 5000 : kChunk / 4 + some % (2 * kChunk);
  }
  [[nodiscard]] std::vector<std::byte> bytes(ByteRange range) const {
    const std::uint64_t first = range.begin / 8;
    const std::uint64_t last = (range.end + 7) / 8;
    std::vector<std::byte> words((last - first) * 8);
    for (std::uint64_t word = first; word < last; ++word) {
      // No byte is zero: what was never written shows.
      const std::uint64_t value = mixed(word * 64 + key * 8 + number) | 0x0101010101010101U;
      std::memcpy(words.data() + (word - first) * 8, &value, 8);
    }
    const auto begin = words.begin() + static_cast<std::ptrdiff_t>(range.begin - first * 8);
    return {begin, begin + static_cast<std::ptrdiff_t>(range.size())};
  }
};

// In shared memory, made before any process is. All of it is read and written by all of them.
struct Page {
  struct Seat {
    std::atomic<std::uint64_t> stops{0};  // how often the process was stopped; written by the conductor
    std::atomic<std::uint64_t> operations{0};
    std::atomic<std::uint64_t> bytes_read{0};
    std::atomic<std::uint64_t> waits_met{0};
    std::atomic<std::uint64_t> no_space{0};
    std::atomic<const char*> doing{""};  // a literal: every process is a fork of one program
  };
  std::array<Seat, kSeats> seats;
  std::atomic<bool> over{false};          // the processes shall end by themselves
  std::atomic<std::uint32_t> version{1};  // of which most of them ask for
  std::atomic<int> complaints{0};
  // The first ones, for one fault may be seen by many: each written by who made `complaints` its number.
  std::array<std::array<char, 1024>, 4> complaint{};

  void complain(const std::string& what) {
    const auto number = static_cast<std::size_t>(complaints.fetch_add(1));
    if (number < complaint.size()) {
      std::strncpy(complaint[number].data(), what.c_str(), complaint[number].size() - 1);
    }
  }
};

// As one process of a run: opens the store, and uses it until it is told to end, or killed.
void use_store(const std::string& path, std::uint64_t seed, Page& page, unsigned seat);

// As a process that is alone: everything is in order, whatever has happened before.
void check_store(const std::string& path, Page& page);

// Bytes on the disk of all that lies in the entries' folders.
[[nodiscard]] std::uint64_t bytes_on_disk(const std::string& path);

}  // namespace strandline::soak
