// EntryWorkload: writes, syncs, evicts, commits and reopens an entry at random, and holds what is found of it, also
// after a crash, to a model. Who uses it brings the files and the crashes. Threads: one. Blocks: as the files do.
// Errors: violation(), in words, with the seed. Cost: some 100 us to open and check. Lifetime: one per seed.
#pragma once

#include <strandline/store/entry/entry_driver.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace strandline::testing {

enum class Crash : std::uint8_t { none, kill, power };

class EntryWorkload {
 public:
  static constexpr std::uint64_t kRoom = 160 * 1024;  // several checksummed blocks

  // What must be so of one version of the content. A byte of a version is the same whenever it is written, but where a
  // commit has dropped it: there another one comes after the reopening.
  struct Version {
    RangeSet attempted;  // may be there
    bool sealed = false;
    std::set<std::uint64_t> lengths;     // of commits
    std::vector<std::uint64_t> dropped;  // what lay past these, one after the other
  };
  struct Sure {
    RangeSet written;  // must be there after the process dies
    RangeSet synced;   // and after the power fails
    // One of these notes is there, by number; 0: none.
    std::set<std::uint64_t> notes{0};
    std::set<std::uint64_t> notes_after_power{0};
  };
  // What a crash at this moment must and may leave.
  struct Model {
    std::uint64_t version = 1;
    std::map<std::uint64_t, Version> versions;
    Sure sure;
    // Blocks in which a piece may have been cut: what is left of it is given up when others are written beside it.
    std::set<std::uint64_t> cut_blocks;

    [[nodiscard]] Model clone() const;
  };
  struct Place {
    std::shared_ptr<store::FileSystem> files;
    std::string name;  // of the entry
  };

  // `secret`: the entry is encrypted.
  EntryWorkload(std::uint64_t seed, std::shared_ptr<const store::SecretKey> secret);

  // Has the process died? Until then every call must succeed.
  std::function<bool()> dead = [] { return false; };
  // Told of the model whenever it has changed, before a call that brings the change about, and after one that promises.
  std::function<void(const Model&)> on_change = [](const Model&) {};

  // Opens it and checks what is there. False: see violation(). It is closed afterwards if the process has died.
  [[nodiscard]] bool open(const Place& place, Crash after);
  void close() noexcept { driver_.reset(); }
  [[nodiscard]] bool is_open() const noexcept { return driver_ != nullptr; }
  // Does something to what is open. False: the process has died, or see violation().
  [[nodiscard]] bool step();

  [[nodiscard]] const Model& model() const noexcept { return model_; }
  void set_model(Model model) noexcept { model_ = std::move(model); }
  [[nodiscard]] std::mt19937_64& random() noexcept { return random_; }
  [[nodiscard]] const std::string& violation() const noexcept { return violation_; }
  // Syncs, and commits of a version that is synced with each.
  [[nodiscard]] std::uint64_t promises() const noexcept { return promises_; }

 private:
  void write();
  [[nodiscard]] bool write_piece(ByteRange range);
  void evict();
  void commit();
  void commit_below_and_reopen();
  void sync();
  void note();
  void note_is_sure() { model_.sure.notes_after_power = model_.sure.notes; }
  void reopen();
  [[nodiscard]] Version& version() { return model_.versions[model_.version]; }
  [[nodiscard]] std::vector<std::byte> bytes_of(ByteRange range);
  [[nodiscard]] std::uint64_t end() const;
  void changed() const { on_change(model_); }
  void forget(ByteRange range);
  [[nodiscard]] bool check(const DriverState& state, Crash after);
  [[nodiscard]] bool wrong(const std::string& what);
  // False, and a violation unless the process has died.
  template <class T>
  [[nodiscard]] bool done(const char* call, const Result<T>& result);

  const std::uint64_t seed_;
  const std::shared_ptr<const store::SecretKey> secret_;
  std::mt19937_64 random_;
  Place place_;
  std::unique_ptr<store::EntryDriver> driver_;
  Model model_;
  RangeSet available_;  // what the driver in use has
  bool sealed_ = false;
  std::optional<std::uint64_t> length_;  // as the core would know it: nothing is written past it
  std::uint64_t found_note_ = 0;
  std::uint64_t notes_ = 0;  // so many have been written
  std::uint64_t promises_ = 0;
  std::string violation_;
};

}  // namespace strandline::testing
