// The calls that every driver has, one thread at a time.
#include <tests/contract/subjects.h>

namespace strandline::contract {

TEST_CASE_TEMPLATE_DEFINE("driver open: empty storage opens active, with nothing in it", S, opens_empty) {
  S subject;
  typename S::DriverType driver;
  const auto state = driver.open(subject.options());
  REQUIRE(says(state) == "ok");
  CHECK(!state->committed);
  CHECK(!state->length);
  CHECK(all_of(*state).empty());
  CHECK(driver.storage_len() == 0);
  CHECK(write(driver, {0, 1}) == "ok");
}
STRANDLINE_CONTRACT(opens_empty, All);

TEST_CASE_TEMPLATE_DEFINE("driver open: complete storage opens committed, its bytes readable", S, opens_complete) {
  S subject;
  for (const std::uint64_t length : {std::uint64_t{1}, std::uint64_t{4096}, kRoom}) {
    CAPTURE(length);
    typename S::DriverType driver;
    const auto state = driver.open(subject.complete(bytes_for(0, length, 1)));
    REQUIRE(says(state) == "ok");
    CHECK(state->committed);
    CHECK(state->length == length);
    CHECK(all_of(*state) == RangeSet{{0, length}});
    CHECK(driver.storage_len() == length);
    CHECK(read(driver, {0, length}) == "ok");
    CHECK(read(driver, {length - 1, length}) == "ok");
    // And it may be filled on from there, as after a commit.
    REQUIRE(says(driver.reactivate()) == "ok");
    CHECK(write(driver, {length, length + 5000}) == "ok");
    CHECK(read(driver, {0, length + 5000}) == "ok");
    CHECK(says(driver.commit(length + 5000)) == "ok");
    CHECK(read(driver, {0, length + 5000}) == "ok");
  }
}
STRANDLINE_CONTRACT(opens_complete, OpensComplete);

TEST_CASE_TEMPLATE_DEFINE("driver open: after an error the object is only destroyed, as before open", S, refuses) {
  S subject;
  {
    [[maybe_unused]] const typename S::DriverType never_opened;
    typename S::DriverType driver;
    const auto state = driver.open(subject.refused());
    REQUIRE(!state);
    CHECK(state.error().context != "");
  }
  CHECK(found(subject) == "nothing");
}
STRANDLINE_CONTRACT(refuses, Refuses);

TEST_CASE_TEMPLATE_DEFINE("R1: driver write_at: written bytes read back, whatever the order and the pieces", S,
                          reads_back) {
  for (const std::uint64_t size : std::initializer_list<std::uint64_t>{37, 4096, 4097, 65536, 100'000}) {
    CAPTURE(size);
    S subject;
    const auto driver = opened<typename S::DriverType>(subject.options());
    for (const ByteRange piece : pieces(size)) {
      REQUIRE(write(*driver, piece) == "ok");
      REQUIRE(read(*driver, piece) == "ok");
      REQUIRE(driver->storage_len() > 0);
    }
    CHECK(read(*driver, {0, kRoom}) == "ok");
    for (const ByteRange piece : pieces(size / 3 + 1)) {
      REQUIRE(read(*driver, piece) == "ok");
    }
  }
}
STRANDLINE_CONTRACT(reads_back, All);

TEST_CASE_TEMPLATE_DEFINE("driver write_at: single bytes leave their neighbours alone", S, single_bytes) {
  S subject;
  const auto driver = opened<typename S::DriverType>(subject.options());
  for (const std::uint64_t edge : {std::uint64_t{4096}, std::uint64_t{65536}, std::uint64_t{131072}, kRoom - 8}) {
    for (const int step : {0, -2, 3, -1, 1, 2, -3}) {
      const std::uint64_t at = edge + static_cast<std::uint64_t>(step);
      CHECK(write(*driver, {at, at + 1}) == "ok");
    }
    CHECK(read(*driver, {edge - 3, edge + 4}) == "ok");
  }
}
STRANDLINE_CONTRACT(single_bytes, All);

TEST_CASE_TEMPLATE_DEFINE("F25: driver write_at: a far offset works, or is refused and changes nothing", S,
                          far_offsets) {
  S subject;
  const auto driver = opened<typename S::DriverType>(subject.options());
  REQUIRE(write(*driver, {0, 5000}) == "ok");
  for (const std::uint64_t far : {std::uint64_t{1} << 32, (std::uint64_t{1} << 40) + 5, kMaxOffset - 7}) {
    CAPTURE(far);
    // Across the offset where 32 bits end, and up to the last byte that has a number.
    const ByteRange range{far - 3, far + 7};
    const std::string written = write(*driver, range);
    if (written == "ok") {
      CHECK(read(*driver, range) == "ok");
    } else {
      CHECK((written == "too_large" || written == "no_space" || written == "no_memory"));
    }
    CHECK(read(*driver, {0, 5000}) == "ok");
  }
}
STRANDLINE_CONTRACT(far_offsets, NotWindowed);

TEST_CASE_TEMPLATE_DEFINE("driver storage_len: reaches as far as what was written; a commit makes it the length", S,
                          reaches) {
  S subject;
  const auto driver = opened<typename S::DriverType>(subject.options());
  for (const ByteRange piece : {ByteRange{10, 20}, ByteRange{70'000, 70'001}, ByteRange{0, 10}}) {
    REQUIRE(write(*driver, piece) == "ok");
    CHECK(driver->storage_len() >= piece.end);
  }
  REQUIRE(write(*driver, {20, 70'000}) == "ok");
  REQUIRE(says(driver->commit(50'000)) == "ok");
  CHECK(driver->storage_len() == 50'000);
  REQUIRE(says(driver->reactivate()) == "ok");
  CHECK(driver->storage_len() >= 50'000);
  REQUIRE(write(*driver, {50'000, kRoom}) == "ok");
  REQUIRE(says(driver->commit(kRoom)) == "ok");
  CHECK(driver->storage_len() == kRoom);
}
STRANDLINE_CONTRACT(reaches, NotWindowed);

TEST_CASE_TEMPLATE_DEFINE("R7: driver commit: [0, length) stays as it was written", S, commits) {
  for (const std::uint64_t length : {std::uint64_t{1}, std::uint64_t{4095}, std::uint64_t{65'536}, kRoom}) {
    CAPTURE(length);
    S subject;
    const auto driver = opened<typename S::DriverType>(subject.options());
    REQUIRE(write(*driver, {0, kRoom}) == "ok");
    REQUIRE(says(driver->commit(length)) == "ok");
    CHECK(read(*driver, {0, length}) == "ok");
  }
}
STRANDLINE_CONTRACT(commits, All);

TEST_CASE_TEMPLATE_DEFINE("R7: driver commit: content of no bytes is content", S, commits_nothing) {
  S subject;
  {
    const auto driver = opened<typename S::DriverType>(subject.options());
    CHECK(says(driver->commit(0)) == "ok");
    REQUIRE(says(driver->reactivate()) == "ok");
    REQUIRE(write(*driver, {0, 100}) == "ok");
    REQUIRE(says(driver->commit(0)) == "ok");  // dropping all that there was
    CHECK(driver->storage_len() == 0);
  }
  if constexpr (Lasts<S>::value) {
    CHECK(found(subject) == "0 ok");
  }
}
STRANDLINE_CONTRACT(commits_nothing, All);

TEST_CASE_TEMPLATE_DEFINE("R9: driver reactivate: keeps the bytes; what a commit dropped may be written anew", S,
                          resumes) {
  S subject;
  const auto driver = opened<typename S::DriverType>(subject.options());
  REQUIRE(write(*driver, {0, kRoom}) == "ok");
  // Inside a page, and on its edge.
  for (const std::uint64_t length : {std::uint64_t{150'001}, std::uint64_t{65'536}, std::uint64_t{65'536}}) {
    CAPTURE(length);
    REQUIRE(says(driver->commit(length)) == "ok");
    REQUIRE(says(driver->reactivate()) == "ok");
    CHECK(read(*driver, {0, length}) == "ok");
    CHECK(write(*driver, {length, length + 10'000}, 2) == "ok");
    CHECK(read(*driver, {length, length + 10'000}, 2) == "ok");
    CHECK(read(*driver, {0, length}) == "ok");
  }
  REQUIRE(says(driver->commit(75'536)) == "ok");
  CHECK(read(*driver, {0, 65'536}) == "ok");
  CHECK(read(*driver, {65'536, 75'536}, 2) == "ok");
}
STRANDLINE_CONTRACT(resumes, All);

TEST_CASE_TEMPLATE_DEFINE("driver path: the same from open on, and where the content is after commit", S, has_path) {
  S subject;
  const auto driver = opened<typename S::DriverType>(subject.options());
  const std::filesystem::path path = driver->path();
  REQUIRE(write(*driver, {0, 5000}) == "ok");
  CHECK(std::filesystem::path(driver->path()) == path);
  REQUIRE(says(driver->commit(4567)) == "ok");
  CHECK(std::filesystem::path(driver->path()) == path);
  CHECK((path.empty() || testing::file_bytes(path) == bytes_for(0, 4567, 1)));
  REQUIRE(says(driver->reactivate()) == "ok");
  CHECK(std::filesystem::path(driver->path()) == path);
}
STRANDLINE_CONTRACT(has_path, All);

TEST_CASE_TEMPLATE_DEFINE("driver destruction: without a commit gives up what was written since open", S,
                          gives_up_open) {
  S subject;
  {
    const auto driver = opened<typename S::DriverType>(subject.options());
    REQUIRE(write(*driver, {0, kRoom}) == "ok");
  }
  CHECK(found(subject) == "nothing");
}
STRANDLINE_CONTRACT(gives_up_open, Forgets);

TEST_CASE_TEMPLATE_DEFINE("driver destruction: what was committed is found again", S, lasts) {
  S subject;
  for (const std::uint64_t length : {std::uint64_t{5000}, kRoom, std::uint64_t{65'536}}) {
    auto driver = std::make_unique<typename S::DriverType>();
    const auto state = driver->open(subject.options());
    REQUIRE(says(state) == "ok");
    if (state->committed) {
      REQUIRE(says(driver->reactivate()) == "ok");
    }
    const std::uint64_t there = state->length.value_or(0);
    REQUIRE(write(*driver, {there, std::max(there, length)}) == "ok");
    REQUIRE(says(driver->commit(length)) == "ok");
    driver.reset();
    CHECK(found(subject) == std::to_string(length) + " ok");
  }
}
STRANDLINE_CONTRACT(lasts, Lasts);

TEST_CASE_TEMPLATE_DEFINE("driver destruction: gives up what came after reactivate, and only that", S,
                          gives_up_resumed) {
  for (const ByteRange more : {ByteRange{}, ByteRange{5000, 5001}, ByteRange{6000, kRoom}}) {
    CAPTURE(more.size());
    S subject;
    auto driver = committed(subject, 5000);
    REQUIRE(says(driver->reactivate()) == "ok");
    REQUIRE(write(*driver, more, 2) == "ok");
    driver.reset();
    CHECK(found(subject) == "5000 ok");
  }
}
STRANDLINE_CONTRACT(gives_up_resumed, Lasts, Forgets);

TEST_CASE_TEMPLATE_DEFINE("driver destruction: what was written is found again, committed or not", S, remembers) {
  S subject;
  {
    const auto driver = opened<typename S::DriverType>(subject.options());
    REQUIRE(write(*driver, {10, 5000}) == "ok");
    REQUIRE(write(*driver, {100'000, kRoom}) == "ok");
  }
  auto driver = std::make_unique<typename S::DriverType>();
  const auto state = driver->open(subject.options());
  REQUIRE(says(state) == "ok");
  CHECK_FALSE(state->committed);
  CHECK(to_string(all_of(*state)) == "{[10, 5000) [100000, 200003)}");
  CHECK(read(*driver, {10, 5000}) == "ok");
  CHECK(read(*driver, {100'000, kRoom}) == "ok");
  REQUIRE(write(*driver, {0, 10}) == "ok");
  REQUIRE(write(*driver, {5000, 100'000}) == "ok");
  REQUIRE(says(driver->commit(kRoom)) == "ok");
  driver.reset();
  CHECK(found(subject) == "200003 ok");
}
STRANDLINE_CONTRACT(remembers, Remembers);

}  // namespace strandline::contract
