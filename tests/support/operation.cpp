#include <tests/support/operation.h>

#include <algorithm>
#include <array>

namespace strandline::testing {
namespace {

constexpr std::uint64_t kUniverseBytes = 48;
constexpr std::uint64_t k4K = 4096;
constexpr std::uint64_t k4G = std::uint64_t{1} << 32;
// Offsets where arithmetic, pages, blocks and file sizes go wrong.
constexpr std::array<std::uint64_t, 8> kBases = {
    0, k4K - 1, k4K + 1, k4G - 1, k4G + 1, kMaxOffset - kUniverseBytes, k4K - 24, k4G - 24};

// An offset: mostly of the universe, seldom one of those that nothing may stand at.
std::uint64_t place(const Universe& universe, std::uint8_t code) {
  if (code < 240) {
    return universe.base + code % (universe.size + 1);
  }
  const std::array<std::uint64_t, 8> odd = {0,
                                            universe.base == 0 ? 0 : universe.base - 1,
                                            kMaxOffset - 1,
                                            kMaxOffset,
                                            kMaxOffset + 1,
                                            std::uint64_t(-1),
                                            universe.end() + 1,
                                            universe.base / 2};
  return odd[code % odd.size()];
}

constexpr std::array<const char*, Operation::kKinds> kNames = {
    "write",       "set_length", "commit",    "fail",      "abandon",     "drop_writer", "sync",
    "take_writer", "reactivate", "cancel",    "interrupt", "read",        "wait_read",   "wait",
    "async_wait",  "stop_wait",  "contains",  "next_gap",  "open_cursor", "read_cursor", "seek_cursor",
    "drop_cursor", "open_view",  "drop_view", "subscribe", "unsubscribe", "evict"};

// Writes come often, the end of everything seldom.
Operation::Kind kind_of(std::uint8_t code) {
  using Kind = Operation::Kind;
  if (code < Operation::kKinds * 4) {
    const auto kind = static_cast<Kind>(code % Operation::kKinds);
    return kind == Kind::cancel && code >= Operation::kKinds ? Kind::write : kind;
  }
  constexpr std::array<Kind, 8> kOften = {Kind::write,      Kind::write,  Kind::async_wait,  Kind::take_writer,
                                          Kind::reactivate, Kind::commit, Kind::read_cursor, Kind::write};
  return kOften[code % kOften.size()];
}

}  // namespace

std::string to_string(const Operation& operation) {
  std::string text = kNames[static_cast<std::size_t>(operation.kind)];
  text += " " + to_string(operation.range()) + " slot " + std::to_string(operation.slot);
  if (operation.kind == Operation::Kind::write) {
    text += " variant " + std::to_string(operation.variant);
  }
  if (operation.flag) {
    text += " flag";
  }
  if (operation.stopped) {
    text += " stopped";
  }
  if (operation.fault != 0) {
    text += " fault " + std::to_string(operation.fault);
  }
  return text;
}

std::string to_string(const Setting& setting) {
  constexpr std::array<const char*, 4> kDrivers = {"memory", "mmap", "ring", "scripted"};
  constexpr std::array<const char*, 3> kFaults = {"none", "allocations", "driver calls"};
  std::string text = std::string("driver ") + kDrivers[static_cast<std::size_t>(setting.driver)] + ", failing " +
                     kFaults[static_cast<std::size_t>(setting.faults)] + ", universe " +
                     to_string(ByteRange{setting.universe.base, setting.universe.end()});
  if (setting.driver == Setting::Driver::ring) {
    text += ", capacity " + std::to_string(setting.capacity) +
            (setting.overflow == Overflow::block ? " block" : " overwrite");
  }
  if (setting.committed) {
    text += ", committed " + std::to_string(*setting.committed);
  }
  return text;
}

Setting decode_setting(std::span<const std::uint8_t> bytes) {
  Setting setting;
  setting.driver = static_cast<Setting::Driver>(bytes[0] % 4);
  setting.faults = static_cast<Setting::Faults>(bytes[0] / 4 % 3);
  setting.universe = {kBases[bytes[1] % kBases.size()], kUniverseBytes};
  if (setting.driver == Setting::Driver::ring) {
    setting.capacity = bytes[2] / 2 % 24 + 1;
    setting.overflow = bytes[2] % 2 == 0 ? Overflow::overwrite : Overflow::block;
  } else if (setting.universe.base == 0 && bytes[2] >= 192 && setting.driver != Setting::Driver::scripted) {
    setting.committed = bytes[2] % kUniverseBytes;
  }
  if (setting.driver == Setting::Driver::scripted) {
    setting.universe.base = 0;
  } else if (setting.faults == Setting::Faults::driver) {
    setting.faults = Setting::Faults::none;
  }
  return setting;
}

Operation decode_operation(const Universe& universe, std::span<const std::uint8_t> bytes) {
  Operation operation;
  operation.kind = kind_of(bytes[0]);
  operation.begin = place(universe, bytes[1]);
  operation.end = place(universe, bytes[2]);
  const bool inside = operation.begin <= kMaxOffset && operation.end <= kMaxOffset;
  // Reversed ends are a case of their own, but most of them would be wasted.
  if (inside && operation.begin > operation.end && bytes[3] < 248) {
    std::swap(operation.begin, operation.end);
  }
  operation.slot = bytes[3] & 1U;
  operation.variant = (bytes[3] >> 1U) % 4;
  operation.flag = (bytes[3] & 8U) != 0;
  operation.stopped = (bytes[3] & 48U) == 48;
  operation.fault = bytes[4] % 32;
  return operation;
}

}  // namespace strandline::testing
