#include <doctest/doctest.h>
#include <strandline/base/error.h>
#include <tests/support/failing_new.h>

#include <cerrno>
#include <ostream>
#include <set>
#include <string>
#include <vector>

using strandline::Errc;
using strandline::Error;
using strandline::Result;
using strandline::testing::Afterwards;
using strandline::testing::FailAllocation;

namespace {

constexpr int kLastErrc = static_cast<int>(Errc::too_many_files);
const std::string kLong(200, 'x');  // too long for the string's own buffer

static_assert(std::is_nothrow_move_constructible_v<Error>);
static_assert(noexcept(Error::make(Errc::io)) && noexcept(strandline::fail(Errc::io)));
static_assert(static_cast<int>(Errc::invalid_range) == 1 && kLastErrc == 23, "the numbers are stable: append only");

}  // namespace

TEST_CASE("error: every code has a name, a sentence and its own number in the category") {
  std::set<std::string> names;
  std::set<std::string> sentences;
  for (int value = 1; value <= kLastErrc; ++value) {
    const auto code = static_cast<Errc>(value);
    CAPTURE(value);
    const std::error_code as_std = code;
    CHECK(as_std.value() == value);
    CHECK(as_std == code);
    CHECK(&as_std.category() == &strandline::strandline_category());
    CHECK(to_string(code) != "unknown");
    CHECK_FALSE(as_std.message().empty());
    names.insert(std::string(to_string(code)));
    sentences.insert(as_std.message());
  }
  CHECK(names.size() == static_cast<std::size_t>(kLastErrc));
  CHECK(sentences.size() == static_cast<std::size_t>(kLastErrc));
  CHECK(std::string(strandline::strandline_category().name()) == "strandline");
  CHECK(to_string(Errc::not_available) == "not_available");
}

TEST_CASE("error: a code from a later version is answered, not crashed on") {
  const auto later = static_cast<Errc>(kLastErrc + 1);
  CHECK(to_string(later) == "unknown");
  CHECK_FALSE(make_error_code(later).message().empty());
}

TEST_CASE("error: codes compare equal to the standard's conditions where there is one") {
  struct Row {
    Errc code;
    std::errc condition;
  };
  for (const Row row : std::vector<Row>{{Errc::invalid_range, std::errc::invalid_argument},
                                        {Errc::cancelled, std::errc::operation_canceled},
                                        {Errc::busy, std::errc::device_or_resource_busy},
                                        {Errc::no_space, std::errc::no_space_on_device},
                                        {Errc::no_memory, std::errc::not_enough_memory},
                                        {Errc::io, std::errc::io_error},
                                        {Errc::unsupported, std::errc::not_supported},
                                        {Errc::too_large, std::errc::file_too_large},
                                        {Errc::timed_out, std::errc::timed_out},
                                        {Errc::interrupted, std::errc::interrupted},
                                        {Errc::not_found, std::errc::no_such_file_or_directory},
                                        {Errc::permission_denied, std::errc::permission_denied},
                                        {Errc::too_many_files, std::errc::too_many_files_open}}) {
    CAPTURE(to_string(row.code));
    CHECK(make_error_code(row.code) == row.condition);
  }
  CHECK(make_error_code(Errc::evicted).default_error_condition().category() == strandline::strandline_category());
  CHECK(make_error_code(Errc::no_space) != std::errc::io_error);
}

TEST_CASE("F20 F22 F23 F29: errno values become the code that callers branch on") {
  struct Row {
    int errno_value;
    Errc code;
  };
  for (const Row row : std::vector<Row>{{ENOSPC, Errc::no_space},
                                        {EDQUOT, Errc::no_space},
                                        {EFBIG, Errc::too_large},
                                        {ENOMEM, Errc::no_memory},
                                        {EACCES, Errc::permission_denied},
                                        {EPERM, Errc::permission_denied},
                                        {EROFS, Errc::permission_denied},
                                        {ENOENT, Errc::not_found},
                                        {ENOTDIR, Errc::not_found},
                                        {EMFILE, Errc::too_many_files},
                                        {ENFILE, Errc::too_many_files},
                                        {EIO, Errc::io},
                                        {ENXIO, Errc::io},
                                        {0, Errc::io}}) {
    CAPTURE(row.errno_value);
    CHECK(strandline::from_errno(row.errno_value) == row.code);
  }
}

TEST_CASE("error: the message says what, where and the system's word") {
  const Error system = Error::system(ENOSPC, "write", "cache/a.part");
  CHECK(system.code == Errc::no_space);
  CHECK(system.cause == std::errc::no_space_on_device);
  CHECK(system.message() ==
        "no_space: write cache/a.part: " + std::error_code(ENOSPC, std::system_category()).message());
  CHECK(Error::system(EIO, "fsync").context == "fsync");
  CHECK(Error::system(EIO, "", "/a").context == "/a");
  CHECK(Error::make(Errc::busy).message() == "busy");
  CHECK(Error::make(Errc::busy, "already has a writer").message() == "busy: already has a writer");
}

TEST_CASE("error: a clone is equal and on its own") {
  Error original = Error::system(EIO, "read", kLong);
  const Error copy = original.clone();
  original.context = "else";
  CHECK(copy.code == Errc::io);
  CHECK(copy.cause == std::errc::io_error);
  CHECK(copy.context == "read " + kLong);
}

TEST_CASE("error: fail() makes a result of any type") {
  const auto refuse = []() -> Result<int> { return strandline::fail(Errc::conflict, "no"); };
  const auto pass_on = [&]() -> Result<std::string> {
    auto inner = refuse();
    return strandline::fail(std::move(inner.error()));
  };
  REQUIRE_FALSE(pass_on().has_value());
  CHECK(pass_on().error().message() == "conflict: no");
}

TEST_CASE("F18: an error made without memory keeps its code and loses its context") {
  const Error original = Error::system(ENOSPC, "write", kLong);
  const FailAllocation scope(1, Afterwards::keep_going);
  const Error made = Error::make(Errc::conflict, kLong);
  const Error system = Error::system(ENOSPC, "write", kLong);
  const Error copy = original.clone();
  const std::uint64_t asked = scope.allocations();
  CHECK(asked == 3);
  CHECK(made.code == Errc::conflict);
  CHECK(made.context.empty());
  CHECK(system.code == Errc::no_space);
  CHECK(system.cause.value() == ENOSPC);
  CHECK(system.context.empty());
  CHECK(copy.code == Errc::no_space);
  CHECK(copy.cause.value() == ENOSPC);
  CHECK(copy.context.empty());
}
