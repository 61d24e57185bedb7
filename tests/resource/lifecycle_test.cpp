// The whole state machine as one table: every state a resource can be in against every operation.
#include <strandline/resource/lifecycle.h>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace strandline;

namespace {

// A letter per operation; see apply(). "W" take a writer, "c" commit, "f" fail, "h" hand over, "s" stop,
// "r" resume, "n" rewrite, "x" cancel, "d" drop an abandoned rewrite.
Lifecycle::Refusal apply(Lifecycle& life, char operation) {
  switch (operation) {
    case 'W':
      return life.take_writer();
    case 'c':
      return life.commit(life.writer());
    case 'f':
      return life.fail(life.writer());
    case 'h':
      return life.abandon(life.writer(), Abandon::handover);
    case 's':
      return life.abandon(life.writer(), Abandon::stop);
    case 'r':
      return life.reactivate(Reactivate::resume);
    case 'n':
      return life.reactivate(Reactivate::rewrite);
    case 'd':
      life.drop_rewrite();
      return {};
    default:
      life.cancel();
      return {};
  }
}

// "active writing g1 f1", then "sealed" and "rewriting" where they hold: g is what readers see, f what a writer fills.
std::string describe(const Lifecycle& life) {
  constexpr const char* kStates[] = {"active", "committed", "failed", "cancelled"};
  constexpr const char* kSupplies[] = {"awaited", "writing", "stopped"};
  std::string text = kStates[static_cast<int>(life.state())];
  text += ' ';
  text += kSupplies[static_cast<int>(life.supply())];
  text += " g" + std::to_string(life.generation()) + " f" + std::to_string(life.filling());
  text += life.sealed() ? " sealed" : "";
  text += life.rewriting() ? " rewriting" : "";
  return text;
}

struct Row {
  const char* state;
  const char* reached_by;  // operations from a newly opened resource
  const char* description;
  // What each operation answers: the state it leads to, or "!code". In the order W c f h s r n x.
  std::vector<std::string> answers;
};

constexpr const char* kOperations = "Wcfhsrnx";

const std::vector<Row>& table() {
  static const std::vector<Row> rows = {
      {"new",
       "",
       "active awaited g1 f1",
       {"active writing g1 f1", "!no_writer", "!no_writer", "!no_writer", "!no_writer", "active writing g1 f1",
        "active writing g2 f2", "cancelled stopped g1 f1"}},
      {"writing",
       "W",
       "active writing g1 f1",
       {"!busy", "committed awaited g1 f1 sealed", "failed awaited g1 f1", "active awaited g1 f1",
        "active stopped g1 f1", "!busy", "!busy", "cancelled stopped g1 f1"}},
      {"handed over",
       "Wh",
       "active awaited g1 f1",
       {"active writing g1 f1", "!no_writer", "!no_writer", "!no_writer", "!no_writer", "active writing g1 f1",
        "active writing g2 f2", "cancelled stopped g1 f1"}},
      {"stopped",
       "Ws",
       "active stopped g1 f1",
       {"active writing g1 f1", "!no_writer", "!no_writer", "!no_writer", "!no_writer", "active writing g1 f1",
        "active writing g2 f2", "cancelled stopped g1 f1"}},
      {"failed",
       "Wf",
       "failed awaited g1 f1",
       {"!failed", "!failed", "!failed", "!failed", "!failed", "active writing g1 f1", "active writing g2 f2",
        "cancelled stopped g1 f1"}},
      {"committed",
       "Wc",
       "committed awaited g1 f1 sealed",
       {"!committed", "!committed", "!committed", "!committed", "!committed", "active writing g1 f1",
        "active writing g1 f2 sealed rewriting", "cancelled stopped g1 f1 sealed"}},
      {"resumed",
       "Wcr",
       "active writing g1 f1",
       {"!busy", "committed awaited g1 f1 sealed", "failed awaited g1 f1", "active awaited g1 f1",
        "active stopped g1 f1", "!busy", "!busy", "cancelled stopped g1 f1"}},
      {"rewriting",
       "Wcn",
       "active writing g1 f2 sealed rewriting",
       {"!busy", "committed awaited g2 f2 sealed", "failed awaited g1 f1 sealed",
        "active awaited g1 f2 sealed rewriting", "active stopped g1 f2 sealed rewriting", "!busy", "!busy",
        "cancelled stopped g1 f2 sealed rewriting"}},
      {"rewrite handed over",
       "Wcnh",
       "active awaited g1 f2 sealed rewriting",
       {"active writing g1 f2 sealed rewriting", "!no_writer", "!no_writer", "!no_writer", "!no_writer",
        "active writing g1 f2 sealed rewriting", "active writing g1 f3 sealed rewriting",
        "cancelled stopped g1 f2 sealed rewriting"}},
      {"rewrite stopped",
       "Wcns",
       "active stopped g1 f2 sealed rewriting",
       {"active writing g1 f2 sealed rewriting", "!no_writer", "!no_writer", "!no_writer", "!no_writer",
        "active writing g1 f2 sealed rewriting", "active writing g1 f3 sealed rewriting",
        "cancelled stopped g1 f2 sealed rewriting"}},
      {"rewrite failed",
       "Wcnf",
       "failed awaited g1 f1 sealed",
       {"!failed", "!failed", "!failed", "!failed", "!failed", "active writing g1 f1",
        "active writing g1 f3 sealed rewriting", "cancelled stopped g1 f1 sealed"}},
      {"rewrite dropped",
       "Wcnhd",
       "committed awaited g1 f1 sealed",
       {"!committed", "!committed", "!committed", "!committed", "!committed", "active writing g1 f1",
        "active writing g1 f3 sealed rewriting", "cancelled stopped g1 f1 sealed"}},
      {"rewritten",
       "Wcnc",
       "committed awaited g2 f2 sealed",
       {"!committed", "!committed", "!committed", "!committed", "!committed", "active writing g2 f2",
        "active writing g2 f3 sealed rewriting", "cancelled stopped g2 f2 sealed"}},
      {"cancelled",
       "Wx",
       "cancelled stopped g1 f1",
       {"!cancelled", "!cancelled", "!cancelled", "!cancelled", "!cancelled", "!cancelled", "!cancelled",
        "cancelled stopped g1 f1"}},
  };
  return rows;
}

Lifecycle reach(const char* operations) {
  Lifecycle life;
  for (const char* operation = operations; *operation != '\0'; ++operation) {
    REQUIRE_FALSE(apply(life, *operation).has_value());
  }
  return life;
}

}  // namespace

TEST_CASE("lifecycle: every state against every operation") {
  for (const Row& row : table()) {
    const Lifecycle before = reach(row.reached_by);
    CHECK_MESSAGE(describe(before) == row.description, row.state);
    REQUIRE(row.answers.size() == std::string(kOperations).size());
    for (std::size_t i = 0; i < row.answers.size(); ++i) {
      Lifecycle life = before;
      const auto refusal = apply(life, kOperations[i]);
      const std::string answer = refusal ? "!" + std::string(to_string(*refusal)) : describe(life);
      CHECK_MESSAGE(answer == row.answers[i], row.state << ", operation " << kOperations[i]);
      if (refusal) {
        CHECK_MESSAGE(describe(life) == describe(before), row.state << ": a refusal changes nothing");
        CHECK(life.writer() == before.writer());
      }
    }
  }
}

TEST_CASE("lifecycle: a resource that opens on complete content is committed") {
  const Lifecycle life(true);
  CHECK(describe(life) == "committed awaited g1 f1 sealed");
}

TEST_CASE("lifecycle: only the last writer may write, and each has a number of its own") {
  Lifecycle life = reach("W");
  const auto first = life.writer();
  CHECK_FALSE(life.may_write(first).has_value());
  REQUIRE_FALSE(apply(life, 'h').has_value());
  CHECK(life.may_write(first) == Errc::no_writer);
  REQUIRE_FALSE(apply(life, 'W').has_value());
  CHECK(life.writer() != first);
  CHECK(life.may_write(first) == Errc::no_writer);
  CHECK(life.commit(first) == Errc::no_writer);
  CHECK(life.fail(first) == Errc::no_writer);
  CHECK(life.abandon(first, Abandon::stop) == Errc::no_writer);
  CHECK_FALSE(life.may_write(life.writer()).has_value());
}

TEST_CASE("lifecycle: the number of a rewrite that failed is not used again") {
  Lifecycle life = reach("Wcnfnf");
  REQUIRE_FALSE(apply(life, 'n').has_value());
  CHECK(life.filling() == 4);
  CHECK(life.generation() == 1);
  REQUIRE_FALSE(apply(life, 'c').has_value());
  CHECK(life.generation() == 4);
}
