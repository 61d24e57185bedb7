// rewrite(): a second driver for the next generation beside the one that is read.
#include <tests/contract/subjects.h>

namespace strandline::contract {

constexpr std::uint64_t kOld = 100'000;
constexpr std::uint64_t kNew = 130'001;

TEST_CASE_TEMPLATE_DEFINE("R9: driver rewrite: the next is empty and writable, the old one goes on serving", S,
                          serves_both) {
  S subject;
  const auto old = committed(subject, kOld);
  auto next = old->rewrite();
  REQUIRE(says(next) == "ok");
  CHECK((*next)->storage_len() == 0);
  CHECK(std::filesystem::path((*next)->path()) == std::filesystem::path(old->path()));
  for (const ByteRange piece : pieces(10'007, kNew)) {
    REQUIRE(write(**next, piece, 2) == "ok");
    REQUIRE(read(**next, piece, 2) == "ok");
    REQUIRE(read(*old, piece.clamped_to({0, kOld})) == "ok");
  }
  REQUIRE(says((*next)->commit(kNew)) == "ok");
  CHECK(read(**next, {0, kNew}, 2) == "ok");
  CHECK(read(*old, {0, kOld}) == "ok");
}
STRANDLINE_CONTRACT(serves_both, Rewrites);

TEST_CASE_TEMPLATE_DEFINE("R9: driver rewrite: until it commits, the storage holds the old content", S, holds_old) {
  S subject;
  {
    const auto old = committed(subject, kOld);
    auto next = old->rewrite();
    REQUIRE(says(next) == "ok");
    REQUIRE(write(**next, {0, kNew}, 2) == "ok");
    CHECK((old->path().empty() || testing::file_bytes(old->path()) == bytes_for(0, kOld, 1)));
  }
  CHECK(found(subject) == std::to_string(kOld) + " ok");
}
STRANDLINE_CONTRACT(holds_old, Rewrites, Lasts);

TEST_CASE_TEMPLATE_DEFINE("R9: driver rewrite: once committed the storage holds the new content, whoever goes first", S,
                          holds_new) {
  for (const bool old_goes_first : {true, false}) {
    CAPTURE(old_goes_first);
    S subject;
    auto old = committed(subject, kOld);
    auto next = old->rewrite();
    REQUIRE(says(next) == "ok");
    REQUIRE(write(**next, {0, kNew}, 2) == "ok");
    REQUIRE(says((*next)->commit(kNew)) == "ok");
    CHECK(found(subject, 2) == std::to_string(kNew) + " ok");
    (old_goes_first ? old : *next).reset();
    CHECK(found(subject, 2) == std::to_string(kNew) + " ok");
    old.reset();
    next->reset();
    CHECK(found(subject, 2) == std::to_string(kNew) + " ok");
  }
}
STRANDLINE_CONTRACT(holds_new, Rewrites, Lasts);

TEST_CASE_TEMPLATE_DEFINE("R9: driver rewrite: given up, it leaves the old one as it was, to be tried again", S,
                          given_up) {
  S subject;
  const auto old = committed(subject, kOld);
  for (const std::uint64_t written : {std::uint64_t{0}, kNew}) {
    auto next = old->rewrite();
    REQUIRE(says(next) == "ok");
    REQUIRE(write(**next, {0, written}, 2) == "ok");
    next->reset();
    CHECK(read(*old, {0, kOld}) == "ok");
    CHECK(old->storage_len() == kOld);
  }
  auto next = old->rewrite();
  REQUIRE(says(next) == "ok");
  REQUIRE(write(**next, {0, kNew}, 3) == "ok");
  REQUIRE(says((*next)->commit(kNew)) == "ok");
  CHECK(read(**next, {0, kNew}, 3) == "ok");
}
STRANDLINE_CONTRACT(given_up, Rewrites);

TEST_CASE_TEMPLATE_DEFINE("R9: driver rewrite: the old one may be filled on after the next was given up", S,
                          resumes_after) {
  S subject;
  const auto old = committed(subject, kOld);
  {
    auto next = old->rewrite();
    REQUIRE(says(next) == "ok");
    REQUIRE(write(**next, {0, 5000}, 2) == "ok");
  }
  REQUIRE(says(old->reactivate()) == "ok");
  REQUIRE(write(*old, {kOld, kNew}) == "ok");
  REQUIRE(says(old->commit(kNew)) == "ok");
  CHECK(read(*old, {0, kNew}) == "ok");
}
STRANDLINE_CONTRACT(resumes_after, Rewrites);

TEST_CASE_TEMPLATE_DEFINE("R9: driver rewrite: of content that was never committed", S, of_uncommitted) {
  S subject;
  {
    auto old = opened<typename S::DriverType>(subject.options());
    REQUIRE(write(*old, {1000, kOld}) == "ok");
    auto next = old->rewrite();
    REQUIRE(says(next) == "ok");
    REQUIRE(write(**next, {0, 500}, 2) == "ok");
    CHECK(read(*old, {1000, kOld}) == "ok");
    // And over again: the second was not committed either.
    auto last = (*next)->rewrite();
    REQUIRE(says(last) == "ok");
    REQUIRE(write(**last, {0, kNew}, 3) == "ok");
    CHECK(read(**next, {0, 500}, 2) == "ok");
    old.reset();
    CHECK(read(**next, {0, 500}, 2) == "ok");
    next->reset();
    REQUIRE(says((*last)->commit(kNew)) == "ok");
    CHECK(read(**last, {0, kNew}, 3) == "ok");
  }
  if constexpr (Lasts<S>::value) {
    CHECK(found(subject, 3) == std::to_string(kNew) + " ok");
  }
}
STRANDLINE_CONTRACT(of_uncommitted, Rewrites);

TEST_CASE_TEMPLATE_DEFINE("R9: driver rewrite: of content that is being filled on in place", S, of_resumed) {
  S subject;
  {
    const auto old = committed(subject, kOld);
    REQUIRE(says(old->reactivate()) == "ok");
    REQUIRE(write(*old, {kOld, kNew}) == "ok");
    {
      auto next = old->rewrite();
      REQUIRE(says(next) == "ok");
      CHECK(read(*old, {0, kOld}) == "ok");
      REQUIRE(write(**next, {0, 5000}, 2) == "ok");
      REQUIRE(says((*next)->commit(5000)) == "ok");
      CHECK(read(*old, {0, kOld}) == "ok");
      CHECK(read(**next, {0, 5000}, 2) == "ok");
    }
  }
  if constexpr (Lasts<S>::value) {
    CHECK(found(subject, 2) == "5000 ok");
  }
}
STRANDLINE_CONTRACT(of_resumed, Rewrites);

}  // namespace strandline::contract
