// Random programs on every driver beside the model, with shrinking. They are made with the resource's state in mind, so
// that most steps do something. RC_PARAMS sets
// seed and length.
#include <tests/support/program.h>

#include <doctest/doctest.h>
#include <rapidcheck.h>
#include <rapidcheck/state.h>

namespace strandline::testing {
namespace {

using Kind = Operation::Kind;

// As much of the state as it takes to choose a step that makes sense.
struct Shape {
  Universe universe;
  bool writer = false;
  bool over = false;
  std::uint64_t steps = 0;
};

struct Step final : rc::state::Command<Shape, Program> {
  explicit Step(const Shape& shape) {
    using namespace rc;
    const Kind start = *gen::element(Kind::take_writer, Kind::reactivate, Kind::reactivate);
    const Kind change = *gen::weightedElement<Kind>({{40, Kind::write},
                                                     {6, Kind::set_length},
                                                     {6, Kind::commit},
                                                     {2, Kind::fail},
                                                     {4, Kind::abandon},
                                                     {2, Kind::drop_writer},
                                                     {1, Kind::sync}});
    const Kind look = *gen::element(Kind::read, Kind::wait_read, Kind::wait, Kind::async_wait, Kind::async_wait,
                                    Kind::stop_wait, Kind::interrupt, Kind::contains, Kind::next_gap);
    const Kind hold =
        *gen::element(Kind::open_cursor, Kind::read_cursor, Kind::read_cursor, Kind::seek_cursor, Kind::drop_cursor,
                      Kind::open_view, Kind::drop_view, Kind::subscribe, Kind::unsubscribe);
    const bool end = !shape.over && shape.steps > 20 && *gen::inRange(0, 40) == 0;
    operation.kind =
        end ? Kind::cancel
            : *gen::weightedElement<Kind>(
                  {{shape.writer ? 12U : 2U, change}, {shape.writer ? 1U : 8U, start}, {6, look}, {4, hold}});
    operation.begin = shape.universe.base + *gen::inRange<std::uint64_t>(0, shape.universe.size + 1);
    operation.end =
        std::min(shape.universe.end(), operation.begin + *gen::inRange<std::uint64_t>(0, shape.universe.size + 1));
    operation.slot = *gen::weightedElement<std::uint8_t>({{4, 0}, {1, 1}});
    operation.variant = *gen::weightedElement<std::uint8_t>({{12, 0}, {1, 1}, {1, 2}, {1, 3}});
    operation.flag = *gen::arbitrary<bool>();
    operation.stopped = *gen::weightedElement<bool>({{7, false}, {1, true}});
    operation.fault = static_cast<std::uint8_t>(*gen::inRange(0, 32));
  }

  void apply(Shape& shape) const override {
    ++shape.steps;
    switch (operation.kind) {
      case Kind::take_writer:
      case Kind::reactivate:
        shape.writer = true;
        break;
      case Kind::commit:
      case Kind::fail:
      case Kind::abandon:
      case Kind::drop_writer:
        shape.writer = false;
        break;
      case Kind::cancel:
        shape.over = true;
        break;
      default:
        break;
    }
  }
  // Collected first and run as a whole: a program must also end well.
  void run(const Shape&, Program& program) const override { program.operations.push_back(operation); }
  void show(std::ostream& out) const override { out << to_string(operation); }

  Operation operation;
};

rc::Gen<Setting> settings(Setting::Driver driver) {
  using namespace rc;
  return gen::exec([driver] {
    Setting setting;
    setting.driver = driver;
    const std::uint64_t size = *gen::element<std::uint64_t>(6, 16, 48);
    const std::uint64_t page = *gen::element<std::uint64_t>(4095, 4097, (std::uint64_t{1} << 32) - size / 2);
    setting.universe = {*gen::element<std::uint64_t>(0, 0, page, kMaxOffset - size), size};
    if (driver == Setting::Driver::ring) {
      setting.capacity = *gen::inRange<std::uint64_t>(1, size + 3);
      setting.overflow = *gen::element(Overflow::overwrite, Overflow::block);
    } else if (driver == Setting::Driver::scripted) {
      setting.universe.base = 0;
      setting.faults = *gen::element(Setting::Faults::none, Setting::Faults::driver, Setting::Faults::allocations);
    } else if (setting.universe.base == 0 && *gen::inRange(0, 4) == 0) {
      setting.committed = *gen::inRange<std::uint64_t>(1, size);
    }
    return setting;
  });
}

bool holds_for(Setting::Driver driver) {
  return rc::check("a resource does what its model does", [driver] {
    Program program;
    program.setting = *settings(driver);
    rc::state::check(Shape{program.setting.universe}, program, rc::state::gen::execOneOfWithArgs<Step>());
    const std::string report = run_program(program);
    if (!report.empty()) {
      RC_FAIL(report);
    }
  });
}

TEST_CASE("R1 to R12: random programs on the memory driver") {
  CHECK(holds_for(Setting::Driver::memory));
}
TEST_CASE("R1 to R12: random programs on the mmap driver") {
  CHECK(holds_for(Setting::Driver::mmap));
}
TEST_CASE("R1 to R12: random programs on the ring driver") {
  CHECK(holds_for(Setting::Driver::ring));
}
TEST_CASE("R1 to R13: random programs on the scripted driver, whose calls fail") {
  CHECK(holds_for(Setting::Driver::scripted));
}

}  // namespace
}  // namespace strandline::testing
