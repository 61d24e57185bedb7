// A universe so small that nothing is left to chance: every state of ten bytes, every operation on every range of them,
// and every short sequence of operations on three; the resource against the reference model.
//
// Sanitizers cost too much for all of it: there, every eighth state, and sequences one shorter.
// STRANDLINE_MODEL_SLICE=N takes every N-th state instead (1: all).
#include <strandline/drivers/memory.h>
#include <tests/sanitized.h>
#include <tests/support/duel.h>

#include <doctest/doctest.h>
#include <cstdlib>
#include <memory>

using namespace strandline;
using namespace strandline::testing;
using Kind = Operation::Kind;

namespace {

constexpr std::uint64_t kBytes = 10;

unsigned slice() {
  const char* const wanted = std::getenv("STRANDLINE_MODEL_SLICE");
  const int number = wanted != nullptr ? std::atoi(wanted) : 0;
  return number > 0 ? static_cast<unsigned>(number) : kSanitized ? 8 : 1;
}

Operation make(Kind kind, std::uint64_t begin = 0, std::uint64_t end = 0, bool flag = false, unsigned variant = 0) {
  Operation operation;
  operation.kind = kind;
  operation.begin = begin;
  operation.end = end;
  operation.flag = flag;
  operation.variant = static_cast<std::uint8_t>(variant);
  return operation;
}

std::unique_ptr<Duel<MemoryDriver>> open_duel(std::uint64_t bytes) {
  Setting setting;
  setting.universe = {0, bytes};
  Traits traits;
  traits.sync = false;
  return std::make_unique<Duel<MemoryDriver>>(setting, traits, MemoryDriver::Options());
}

// How a case came to be: what was written, and what became of the writer.
struct State10 {
  unsigned bytes = 0;  // bit i: byte i is there
  std::vector<Operation> then;
};

std::unique_ptr<Duel<MemoryDriver>> enter(const State10& state) {
  auto duel = open_duel(kBytes);
  duel->apply(make(Kind::take_writer));
  for (std::uint64_t begin = 0; begin < kBytes; ++begin) {
    std::uint64_t end = begin;
    while (end < kBytes && (state.bytes >> end & 1U) != 0) {
      ++end;
    }
    if (end > begin) {
      duel->apply(make(Kind::write, begin, end));
      begin = end;
    }
  }
  for (const Operation& operation : state.then) {
    duel->apply(operation);
  }
  return duel;
}

void explain(const State10& state, const Operation& operation, const std::string& mismatch) {
  std::string text = "bytes ";
  for (unsigned i = 0; i < kBytes; ++i) {
    text += (state.bytes >> i & 1U) != 0 ? '#' : '.';
  }
  for (const Operation& step : state.then) {
    text += ", " + to_string(step);
  }
  FAIL(text << ": " << to_string(operation) << ": " << mismatch);
}

// What leaves the state as it is, on every range, also the odd ones.
std::vector<Operation> looks() {
  std::vector<Operation> operations;
  const auto add = [&](std::uint64_t begin, std::uint64_t end) {
    for (const Kind kind : {Kind::read, Kind::wait_read, Kind::contains, Kind::next_gap, Kind::open_view}) {
      operations.push_back(make(kind, begin, end));
    }
    operations.push_back(make(Kind::wait, begin, end, false));
    operations.push_back(make(Kind::wait, begin, end, true));
    operations.push_back(make(Kind::open_cursor, begin, end));
    operations.push_back(make(Kind::read_cursor, begin, end));
  };
  for (std::uint64_t begin = 0; begin <= kBytes + 1; ++begin) {
    for (std::uint64_t end = begin; end <= kBytes + 1; ++end) {
      add(begin, end);
    }
  }
  add(9, 3);
  add(3, kMaxOffset);
  add(3, kMaxOffset + 1);
  add(kMaxOffset, kMaxOffset);
  return operations;
}

std::vector<Operation> changes() {
  std::vector<Operation> operations;
  for (std::uint64_t begin = 0; begin <= kBytes; ++begin) {
    operations.push_back(make(Kind::set_length, begin));
    operations.push_back(make(Kind::commit, begin, 0, true));
    for (std::uint64_t end = begin; end <= kBytes; ++end) {
      operations.push_back(make(Kind::write, begin, end, false, 0));
      operations.push_back(make(Kind::write, begin, end, false, 1));
    }
  }
  operations.push_back(make(Kind::commit));
  operations.push_back(make(Kind::commit, kBytes + 2, 0, true));
  operations.push_back(make(Kind::set_length, kBytes + 2));
  operations.push_back(make(Kind::fail));
  operations.push_back(make(Kind::abandon, 0, 0, false));
  operations.push_back(make(Kind::abandon, 0, 0, true));
  operations.push_back(make(Kind::drop_writer));
  operations.push_back(make(Kind::take_writer));
  operations.push_back(make(Kind::reactivate, 0, 0, false));
  operations.push_back(make(Kind::reactivate, 0, 0, true));
  operations.push_back(make(Kind::cancel));
  operations.push_back(make(Kind::interrupt));
  return operations;
}

std::uint64_t end_of(unsigned bytes) {
  std::uint64_t end = 0;
  for (std::uint64_t i = 0; i < kBytes; ++i) {
    end = (bytes >> i & 1U) != 0 ? i + 1 : end;
  }
  return end;
}

// Every state that those bytes can be in.
std::vector<State10> states_of(unsigned bytes) {
  const std::uint64_t end = end_of(bytes);
  const bool whole = (bytes & (bytes + 1)) == 0;
  std::vector<State10> states = {{bytes, {}}};
  for (std::uint64_t length = end; length <= kBytes + 1; ++length) {
    states.push_back({bytes, {make(Kind::set_length, length)}});
  }
  for (const Operation& last : {make(Kind::fail), make(Kind::abandon, 0, 0, true), make(Kind::abandon, 0, 0, false)}) {
    states.push_back({bytes, {last}});
    states.push_back({bytes, {make(Kind::set_length, kBytes), last}});
  }
  if (whole) {
    states.push_back({bytes, {make(Kind::commit)}});
    states.push_back({bytes, {make(Kind::commit), make(Kind::reactivate, 0, 0, true)}});
    states.push_back({bytes, {make(Kind::commit), make(Kind::reactivate, 0, 0, false)}});
    states.push_back({bytes, {make(Kind::commit), make(Kind::reactivate, 0, 0, true), make(Kind::drop_writer)}});
  }
  return states;
}

// Waits on ranges that differ from case to case, so that all cases together park on all ranges.
void park_some(Duel<MemoryDriver>& duel, unsigned& turn) {
  for (unsigned i = 0; i < 3; ++i) {
    turn = (turn + 1) % ((kBytes + 1) * (kBytes + 2));
    const std::uint64_t begin = turn % (kBytes + 1);
    const std::uint64_t end = turn / (kBytes + 1);
    duel.apply(make(Kind::async_wait, std::min(begin, end), std::max(begin, end), i == 2));
  }
}

// Every program of so many steps out of the alphabet; the last step is compared, for the others were when they were
// last. `first` comes before them all.
std::uint64_t run_sequences(const std::vector<Operation>& first, const std::vector<Operation>& alphabet,
                            std::uint64_t bytes, unsigned length) {
  std::vector<std::size_t> digits(length, 0);
  for (std::uint64_t count = 1;; ++count) {
    const auto duel = open_duel(bytes);
    for (const Operation& operation : first) {
      duel->apply(operation);
    }
    for (const std::size_t digit : digits) {
      duel->apply(alphabet[digit]);
    }
    if (!duel->agree()) {
      std::string text;
      for (const std::size_t digit : digits) {
        text += to_string(alphabet[digit]) + "; ";
      }
      FAIL(text << duel->mismatch());
    }
    std::size_t at = 0;
    while (at < length && ++digits[at] == alphabet.size()) {
      digits[at++] = 0;
    }
    if (at == length) {
      return count;
    }
  }
}

}  // namespace

TEST_CASE("R2 R4 R6: every look at every state of ten bytes") {
  const std::vector<Operation> operations = looks();
  std::uint64_t cases = 0;
  for (unsigned bytes = 0; bytes < 1U << kBytes; bytes += slice()) {
    for (const State10& state : states_of(bytes)) {
      const auto duel = enter(state);
      REQUIRE_MESSAGE(duel->agree(), duel->mismatch());
      for (const Operation& operation : operations) {
        duel->apply(operation);
        ++cases;
        if (!duel->mismatch().empty()) {
          explain(state, operation, duel->mismatch());
        }
      }
      REQUIRE_MESSAGE(duel->agree(), duel->mismatch());
    }
  }
  MESSAGE(cases << " cases");
}

TEST_CASE("R3 R5 R7 R8 R9 R10: every change of every state of ten bytes, with waits parked") {
  const std::vector<Operation> operations = changes();
  unsigned turn = 0;
  std::uint64_t cases = 0;
  for (unsigned bytes = 0; bytes < 1U << kBytes; bytes += slice()) {
    for (const State10& state : states_of(bytes)) {
      // What changes nothing leaves the state to the next: the comparison has seen to that.
      std::unique_ptr<Duel<MemoryDriver>> duel;
      for (const Operation& operation : operations) {
        if (!duel) {
          duel = enter(state);
          park_some(*duel, turn);
          REQUIRE_MESSAGE(duel->agree(), duel->mismatch());
        }
        const std::uint64_t idle = duel->without_effect();
        ++cases;
        if (!duel->step(operation)) {
          explain(state, operation, duel->mismatch());
        }
        if (duel->without_effect() == idle) {
          duel.reset();
        }
      }
    }
  }
  MESSAGE(cases << " cases");
}

TEST_CASE("R1 to R11: every sequence of up to four operations on three bytes") {
  const std::vector<Operation> alphabet = {
      make(Kind::take_writer),
      make(Kind::write, 0, 1),
      make(Kind::write, 0, 3),
      make(Kind::write, 1, 2),
      make(Kind::write, 1, 3),
      make(Kind::write, 2, 3),
      make(Kind::write, 1, 2, false, 1),
      make(Kind::set_length, 2),
      make(Kind::set_length, 3),
      make(Kind::commit),
      make(Kind::commit, 1, 0, true),
      make(Kind::commit, 3, 0, true),
      make(Kind::fail),
      make(Kind::abandon, 0, 0, false),
      make(Kind::abandon, 0, 0, true),
      make(Kind::drop_writer),
      make(Kind::reactivate, 0, 0, false),
      make(Kind::reactivate, 0, 0, true),
      make(Kind::cancel),
      make(Kind::async_wait, 0, 3),
      make(Kind::async_wait, 1, 2),
      make(Kind::async_wait, 1, 3, true),
      make(Kind::interrupt),
      make(Kind::open_view, 0, 2),
  };
  std::uint64_t programs = 0;
  for (unsigned length = 1; length <= (kSanitized ? 3U : 4U); ++length) {
    if (length < 4) {
      programs += run_sequences({}, alphabet, 3, length);
    }
    // Nearly all of them need a writer first, so that one is not counted.
    programs += run_sequences({make(Kind::take_writer)}, alphabet, 3, length);
  }
  MESSAGE(programs << " programs");
}
