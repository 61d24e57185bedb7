#include "existing.h"

#include <utility>

#include "text.h"

namespace strandline::tool {

Result<store::Store> open_existing(const std::string& path) {
  store::StoreOptions options;
  options.must_exist = true;
  return store::Store::open(path, std::move(options));
}

Result<store::Directory> look_into(const std::string& path) {
  return store::Directory::open(store::system_files(), path, {}, true);
}

Result<Looked> look_at(const store::Directory& directory, const std::string& key) {
  const auto found = directory.find(key);
  if (!found) {
    return fail(about_key(found.error(), key, directory.path()));
  }
  if (!found->exists) {
    return fail(about_key(Error::make(Errc::not_found, "no such entry"), key, directory.path()));
  }
  std::string path_of_files = directory.entry_path(found->name);
  auto inspection = store::inspect(*directory.files(), path_of_files);
  if (!inspection) {
    return fail(about_key(inspection.error(), key, directory.path()));
  }
  return Looked{found->name, std::move(path_of_files), std::move(*inspection)};
}

Error about_key(const Error& error, std::string_view key, const std::string& path) {
  Error named = error.clone();
  named.context = key_text(key) + " in " + path + (error.context.empty() ? "" : ": " + error.context);
  return named;
}

}  // namespace strandline::tool
