// The conformance suite of driver.h: what that header says of a driver, checked on any driver that joins. A driver
// joins with its subject in subjects.h and one line there; every check is then reported as one case of its own for it.
// Threads: none of its own. Blocks: never. Errors: a broken promise is a failed check. Cost: see kRoom.
// Lifetime: a subject is made anew for every case, and owns what the storage needs.
#pragma once

#include <strandline/driver/driver.h>

#include <doctest/doctest.h>
#include <tests/drivers/scratch.h>

#include <algorithm>
#include <concepts>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace strandline::contract {

using testing::Bytes;
using testing::bytes_for;
using testing::code_of;

// What a subject S has:
//   S::DriverType
//   options()      for storage that is empty at first. A window must be at least kRoom wide.
// and, where the driver can do it:
//   complete(b)    options for storage that holds the bytes b, complete
//   refused()      options that open() must refuse
//   kLasting       true: a driver opened later with options() finds what this one has committed
//   kRemembers     true: such a driver also finds what was written and not committed
//   cut(length)    somebody cuts the committed storage short, behind the driver's back
//   break_commit() the next commit fails, and after mend_commit() it does not
template <class S>
struct All : std::true_type {};
template <class S>
    struct Lasts : std::bool_constant < requires {
  requires S::kLasting;
} > {};
template <class S>
    struct Remembers : std::bool_constant < requires {
  requires S::kRemembers;
} > {};
template <class S>
struct Forgets : std::negation<Remembers<S>> {};
template <class S>
    struct OpensComplete : std::bool_constant < requires(S subject, Bytes bytes) {
  subject.complete(bytes);
} > {};
template <class S>
    struct Refuses : std::bool_constant < requires(S subject) {
  subject.refused();
} > {};
template <class S>
    struct LosesBytes : std::bool_constant < requires(S subject) {
  subject.cut(1);
} > {};
template <class S>
    struct FailsCommit : std::bool_constant < requires(S subject) {
  subject.break_commit();
} > {};
template <class S>
struct Rewrites : std::bool_constant<HasRewrite<typename S::DriverType>> {};
template <class S>
struct Views : std::bool_constant<HasView<typename S::DriverType>> {};
template <class S>
struct Windowed : std::bool_constant<HasWindow<typename S::DriverType>> {};
template <class S>
struct NotWindowed : std::negation<Windowed<S>> {};
template <class S>
struct Syncs : std::bool_constant<HasSync<typename S::DriverType>> {};
template <class S>
struct Evicts : std::bool_constant<HasEvict<typename S::DriverType>> {};
template <class S>
struct Discards : std::bool_constant<HasDiscard<typename S::DriverType>> {};

template <class S, template <class> class... Traits>
inline constexpr bool kHasAll = (Traits<S>::value && ...);

// Those of a tuple of subjects that all traits hold for.
template <class Subjects, template <class> class... Traits>
struct Those;
template <class... S, template <class> class... Traits>
struct Those<std::tuple<S...>, Traits...> {
  using type = decltype(std::tuple_cat(
      std::declval<std::conditional_t<kHasAll<S, Traits...>, std::tuple<S>, std::tuple<>>>()...));
};

// Checks stay below this, in bytes, but for those of windows and of far offsets: past the 64 KiB and 4 KiB that drivers
// like, and no multiple of them.
inline constexpr std::uint64_t kRoom = 200'003;

// "ok", or the error's name.
template <class T>
std::string says(const Result<T>& result) {
  return result ? "ok" : std::string(to_string(result.error().code));
}

template <class D>
std::unique_ptr<D> opened(typename D::Options options) {
  auto driver = std::make_unique<D>();
  const auto state = driver->open(std::move(options));
  REQUIRE_MESSAGE(state.has_value(), (state ? std::string() : state.error().message()));
  return driver;
}

// Writes a range as the core does: what a short write leaves is offered again. "ok", the error, or what is wrong.
template <class D>
std::string write(D& driver, ByteRange range, unsigned generation = 1) {
  const Bytes bytes = bytes_for(range.begin, range.size(), generation);
  for (std::uint64_t at = range.begin; at < range.end;) {
    const auto count = driver.write_at(at, std::span(bytes).subspan(at - range.begin));
    if (!count) {
      return says(count);
    }
    if (*count < 1 || *count > range.end - at) {
      return "a write count of " + std::to_string(*count);
    }
    at += *count;
  }
  return "ok";
}

// "ok" when the range reads back as that generation wrote it; else the error, or what is wrong.
template <class D>
std::string read(const D& driver, ByteRange range, unsigned generation = 1) {
  Bytes bytes(range.size());
  for (std::uint64_t at = range.begin; at < range.end;) {
    const auto count = driver.read_at(at, std::span(bytes).subspan(at - range.begin));
    if (!count) {
      return says(count);
    }
    if (*count < 1 || *count > range.end - at) {
      return "a read count of " + std::to_string(*count);
    }
    at += *count;
  }
  return bytes == bytes_for(range.begin, range.size(), generation) ? "ok" : "wrong bytes in " + to_string(range);
}

// The same of bytes in place.
inline std::string shows(const DriverView& view, ByteRange range, unsigned generation = 1) {
  const Bytes expected = bytes_for(range.begin, range.size(), generation);
  return std::equal(view.bytes.begin(), view.bytes.end(), expected.begin(), expected.end())
             ? "ok"
             : "wrong bytes in " + to_string(range);
}

// [0, end) in pieces of that size, every second one first.
inline std::vector<ByteRange> pieces(std::uint64_t size, std::uint64_t end = kRoom) {
  std::vector<ByteRange> all;
  for (const std::uint64_t first : {size, std::uint64_t{0}}) {
    for (std::uint64_t begin = first; begin < end; begin += 2 * size) {
      all.push_back({begin, std::min(end, begin + size)});
    }
  }
  return all;
}

// A driver that has committed [0, length).
template <class S>
auto committed(S& subject, std::uint64_t length = kRoom) {
  auto driver = opened<typename S::DriverType>(subject.options());
  REQUIRE(write(*driver, {0, length}) == "ok");
  REQUIRE(says(driver->commit(length)) == "ok");
  return driver;
}

// All that a driver has found, in whatever form it says so.
inline RangeSet all_of(const DriverState& state) {
  RangeSet all = state.blocks.ranges().value();
  for (const ByteRange range : state.available) {
    REQUIRE(all.insert(range).has_value());
  }
  return all;
}

// What a driver that is opened now finds: "nothing", "parts", or the length and whether the bytes are of that
// generation.
template <class S>
std::string found(S& subject, unsigned generation = 1) {
  typename S::DriverType driver;
  const auto state = driver.open(subject.options());
  if (!state) {
    return says(state);
  }
  if (!state->committed) {
    return all_of(*state).empty() ? "nothing" : "parts";
  }
  if (!state->length || !(all_of(*state) == RangeSet{{0, *state->length}})) {
    return "a state that contradicts itself";
  }
  return std::to_string(*state->length) + " " + read(driver, {0, *state->length}, generation);
}

}  // namespace strandline::contract
