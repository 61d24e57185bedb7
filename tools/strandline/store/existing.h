// Stores that are there already: the store's commands make none.
// Threads: one. Blocks: as store::Store says. Errors: not_found where there is no store, and as store::Store says; they
// name the directory. Cost: of a Store a thread; of a Directory some five system calls. Lifetime: what is answered.
#pragma once

#include <strandline/store/directory/directory.h>
#include <strandline/store/inspection.h>
#include <strandline/store/store.h>

#include <string>
#include <string_view>

namespace strandline::tool {

[[nodiscard]] Result<store::Store> open_existing(const std::string& path);

// For looking only: nothing is made or changed.
[[nodiscard]] Result<store::Directory> look_into(const std::string& path);
struct Looked {
  std::string name;  // of its files
  std::string path;  // likewise, without their endings
  store::Inspection files;
};
// What the key's files say; not_found, naming the key and the store, when there is no entry.
[[nodiscard]] Result<Looked> look_at(const store::Directory& directory, const std::string& key);

// The same error, with the key and the store in front.
[[nodiscard]] Error about_key(const Error& error, std::string_view key, const std::string& path);

}  // namespace strandline::tool
