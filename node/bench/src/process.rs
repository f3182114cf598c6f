//! What a process used, as Linux tells it: CPU time from `/proc/PID/stat` (in ticks of 10 ms) and
//! memory from `/proc/PID/smaps_rollup`. Zeros elsewhere.

use std::fs;

/// Microseconds in one tick of `/proc/PID/stat`; fixed by the kernel's interface.
const TICK_MICROS: u64 = 10_000;

/// Whose numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// This one.
    Own,
    /// Another.
    Other(u32),
}

impl Process {
    fn path(self, file: &str) -> String {
        match self {
            Self::Own => format!("/proc/self/{file}"),
            Self::Other(id) => format!("/proc/{id}/{file}"),
        }
    }

    /// CPU time of all threads since the process started, user and system, microseconds.
    #[must_use]
    pub fn cpu_micros(self) -> u64 {
        fs::read_to_string(self.path("stat")).map_or(0, |text| cpu_micros_in(&text))
    }

    /// CPU time of a process and of the children that it has now, microseconds.
    #[must_use]
    pub fn cpu_micros_with_children(self) -> u64 {
        let Self::Other(parent) = self else { return self.cpu_micros() };
        let Ok(entries) = fs::read_dir("/proc") else { return self.cpu_micros() };
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let stats = ids.filter_map(|id: u32| fs::read_to_string(format!("/proc/{id}/stat")).ok());
        let children = stats.filter(|stat| parent_in(stat) == Some(parent));
        self.cpu_micros() + children.map(|stat| cpu_micros_in(&stat)).sum::<u64>()
    }

    /// Memory that only this process holds or shares proportionally (Pss), bytes.
    #[must_use]
    pub fn memory_bytes(self) -> u64 {
        fs::read_to_string(self.path("smaps_rollup")).map_or(0, |text| memory_bytes_in(&text))
    }
}

/// The fields after the name, which may contain anything but is the last thing in parentheses.
fn cpu_micros_in(stat: &str) -> u64 {
    let Some((_, fields)) = stat.rsplit_once(')') else { return 0 };
    // utime and stime are fields 14 and 15, the first of these is field 3.
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>() * TICK_MICROS
}

/// The second field after the name.
fn parent_in(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

fn memory_bytes_in(rollup: &str) -> u64 {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_the_name() {
        let stat = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 9 0 100";
        assert_eq!(cpu_micros_in(stat), 2_000_000);
        assert_eq!((cpu_micros_in(""), parent_in("")), (0, None));
        assert_eq!(parent_in(stat), Some(1));
        let rollup = "00400000-7fff r--p\nRss:    2000 kB\nPss:    1000 kB\nPss_Anon: 7 kB\n";
        assert_eq!(memory_bytes_in(rollup), 1_024_000);
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(Process::Own.memory_bytes() > 0);
    }
}
