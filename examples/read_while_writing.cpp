// A reader takes a file out of a resource while another thread is still bringing it in, back to front.
// The part between the markers is the README's example; tools/readme_check holds the two together.
#include <strandline/drivers/memory.h>
#include <strandline/resource/resource.h>

#include <cstdio>
#include <string>
#include <thread>

// [readme]
using namespace strandline;

int main() {
  auto film = Resource<MemoryDriver>::open({}).value();

  std::jthread producer([writer = film.writer().value()]() mutable {
    const std::string text = "what the reader sees is what has arrived\n";
    const auto bytes = std::as_bytes(std::span(text));
    for (std::size_t at = bytes.size(); at-- > 0;) {  // any order will do
      if (!writer.write_at(at, bytes.subspan(at, 1))) return;
    }
    if (!writer.commit()) std::puts("not complete?");
  });

  auto cursor = film.cursor(0).value();
  std::array<std::byte, 16> part;
  for (;;) {
    const auto count = cursor.read(part);  // waits for the next byte, never invents one
    if (!count) return std::fprintf(stderr, "%s\n", count.error().message().c_str()), 1;
    if (*count == 0) return 0;  // the end
    std::fwrite(part.data(), 1, *count, stdout);
  }
}
// [/readme]
