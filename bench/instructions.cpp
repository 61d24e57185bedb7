// Instructions per call, which no neighbour on the machine can change: `tools/bench --instructions` runs one kind of
// call at a time under callgrind, which counts only inside measured_calls().
#include <bench/support/scene.h>

#include <cstdio>
#include <exception>
#include <string_view>

namespace {

using namespace strandline;
using namespace strandline::bench;

constexpr std::uint64_t kBlock = 4 * kKiB;
constexpr std::uint64_t kPrefix = 4 * kMiB;
constexpr std::size_t kCalls = 2000;

enum class Call : std::uint8_t { none, read_at, contains, write_at };

}  // namespace

// What callgrind toggles collecting on: a name it can find. `none` is the cost of the loop, for subtracting.
extern "C" __attribute__((noinline)) void measured_calls(InMemory& memory, Call call,
                                                         const std::vector<std::uint64_t>& offsets,
                                                         std::span<std::byte> bytes) {
  for (const std::uint64_t offset : offsets) {
    switch (call) {
      case Call::none:
        break;
      case Call::read_at:
        keep(memory.resource.read_at(offset, bytes).has_value());
        break;
      case Call::contains:
        keep(memory.resource.contains({offset, offset + bytes.size()}));
        break;
      case Call::write_at:
        keep(memory.writer.write_at(kPrefix + offset, bytes).has_value());
        break;
    }
    keep(offset);
  }
}

int main(int argc, char** argv) {
  const std::string_view name = argc == 2 ? argv[1] : "";
  const Call call = name == "none"       ? Call::none
                    : name == "read_at"  ? Call::read_at
                    : name == "contains" ? Call::contains
                                         : Call::write_at;
  if (call == Call::write_at && name != "write_at") {
    std::fprintf(stderr, "usage: bench_instructions none|read_at|contains|write_at\n");
    return 2;
  }
  try {
    const Bystander bystander;
    InMemory memory;
    memory.fill({0, kPrefix});
    std::vector<std::byte> bytes(kBlock);
    auto offsets = random_offsets(kCalls, kPrefix, kBlock);
    if (call == Call::write_at) {
      for (std::size_t index = 0; index < offsets.size(); ++index) {
        offsets[index] = index * kBlock;
      }
    }
    measured_calls(memory, call, offsets, bytes);
    std::printf("%zu\n", offsets.size());
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
  return 0;
}
