// The files of the page at "/-/", as they were built into the program.
// Threads: read by all. Blocks: never. Errors: none. Cost: none; nothing is copied. Lifetime: the program's.
#pragma once

#include <span>
#include <string_view>

namespace strandline::serve {

struct PageFile {
  std::string_view name;  // "style.css"
  std::string_view content;
};

[[nodiscard]] std::span<const PageFile> page_files() noexcept;

}  // namespace strandline::serve
