//! With the feature `fdb`: makes `libfdb_c.a`, a stand-in that the linker finds where it looks for
//! the FoundationDB client, and that loads the real `libfdb_c.so` when it is first called. So what
//! is built needs no FoundationDB on the machine that builds it, and starts without one.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=shim/fdb_c.c");
    #[cfg(feature = "fdb")]
    stand_in();
}

#[cfg(feature = "fdb")]
fn stand_in() {
    cc::Build::new()
        .file("shim/fdb_c.c")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        // foundationdb-sys asks for `-lfdb_c` itself; only the folder is named here, and before
        // those that it names, because this package depends on it.
        .cargo_metadata(false)
        .compile("fdb_c");
    if let Some(folder) = std::env::var_os("OUT_DIR") {
        println!("cargo:rustc-link-search=native={}", folder.to_string_lossy());
    }
    println!("cargo:rustc-link-lib=dylib=dl");
    println!("cargo:rustc-link-lib=dylib=pthread");
}
