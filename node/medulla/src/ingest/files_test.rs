//! Reading files of our own: single messages, batches, streams, archives, folders, and what is not
//! to be sent.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

#[derive(Default)]
struct Seen {
    files: Vec<(String, Kind)>,
    hl7: Vec<(String, Vec<u8>)>,
    fhir: Vec<(String, u64, Vec<u8>)>,
    broken: Vec<String>,
}

impl Sink for Seen {
    fn file(&mut self, source: &Arc<Source>, kind: Kind) -> Result<(), Closed> {
        self.files.push((source.name.clone(), kind));
        Ok(())
    }
    fn hl7(&mut self, source: &Arc<Source>, bytes: Vec<u8>) -> Result<(), Closed> {
        self.hl7.push((source.name.clone(), bytes));
        Ok(())
    }
    fn fhir(&mut self, source: &Arc<Source>, line: u64, bytes: Vec<u8>) -> Result<(), Closed> {
        self.fhir.push((source.name.clone(), line, bytes));
        Ok(())
    }
    fn broken(&mut self, source: &Arc<Source>, _reason: String) -> Result<(), Closed> {
        self.broken.push(source.name.clone());
        Ok(())
    }
}

fn message(number: usize) -> String {
    format!("MSH|^~\\&|A|B|C|D|20260101||ADT^A01|{number}|P|2.5\rPID|1||{number}\r")
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read_all(folder: &Path) -> Seen {
    let mut seen = Seen::default();
    for path in find(&[folder.to_path_buf()]).unwrap() {
        read(&path, Format::Auto, &mut seen).unwrap();
    }
    seen
}

#[test]
fn folders_are_read_in_order_and_by_kind() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write("b/two.hl7", format!("{}{}", message(1), message(2)).as_bytes());
    write("a/one.txt", message(3).as_bytes());
    write("a/LICENSE.txt", b"All rights reserved");
    write("c/patient.json", b"{\"resourceType\":\"Patient\",\"id\":\"x\"}");
    write("c/lines.ndjson.gz", &gz(b"{\"a\":1}\n\n{\"b\":2}"));
    write("d/no-header.hl7", b"PID|1||4\r");
    write("e/framed.bin", format!("\x0B{}\x1C\r\x0B{}\x1C\r", message(5), message(6)).as_bytes());
    write("f/page.xml", b"<html/>");
    let seen = read_all(folder.path());
    let names: Vec<&str> =
        seen.files.iter().map(|(name, _)| name.rsplit('/').next().unwrap()).collect();
    assert_eq!(
        names,
        [
            "LICENSE.txt",
            "one.txt",
            "two.hl7",
            "lines.ndjson.gz",
            "patient.json",
            "no-header.hl7",
            "framed.bin",
            "page.xml"
        ]
    );
    let texts: Vec<String> =
        seen.hl7.iter().map(|(_, bytes)| String::from_utf8(bytes.clone()).unwrap()).collect();
    let expected =
        [message(3), message(1), message(2), "PID|1||4\r".to_owned(), message(5), message(6)];
    assert_eq!(texts, expected);
    let lines: Vec<u64> = seen.fhir.iter().map(|(_, line, _)| *line).collect();
    assert_eq!(lines, [0, 2, 0], "the number of a line is its place in the file");
    let skipped = seen.files.iter().filter(|(_, kind)| matches!(kind, Kind::Skipped(_)));
    assert_eq!(skipped.count(), 2);
}

#[test]
fn a_stream_is_cut_between_messages_only() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(HL7_CHUNK_BYTES + HL7_CHUNK_BYTES / 2);
    let mut stream = String::new();
    let mut expected = Vec::new();
    for number in 0..40_000 {
        expected.push(message(number));
        stream.push_str(&message(number));
        if number == 20_000 {
            let large = format!("{}NTE|1||{long}\r", message(number));
            expected.push(large.clone());
            stream.push_str(&large);
        }
    }
    fs::write(folder.path().join("feed.hl7.gz"), gz(stream.as_bytes())).unwrap();
    let seen = read_all(folder.path());
    assert_eq!(seen.hl7.len(), expected.len());
    assert!(seen.hl7.iter().zip(&expected).all(|((_, bytes), text)| bytes == text.as_bytes()));
}

#[test]
fn archives_are_folders() {
    let folder = tempfile::tempdir().unwrap();
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let first = message(1);
    let files = [("in/a.hl7", first.as_bytes()), ("in/b.json", b"{\"resourceType\":\"Patient\"}")];
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(bytes.len()).unwrap());
        header.set_cksum();
        builder.append_data(&mut header, name, bytes).unwrap();
    }
    let bytes = builder.into_inner().unwrap().finish().unwrap();
    fs::write(folder.path().join("all.tar.gz"), bytes).unwrap();
    let seen = read_all(folder.path());
    assert_eq!((seen.hl7.len(), seen.fhir.len()), (1, 1));
    assert!(seen.hl7[0].0.ends_with("all.tar.gz/in/a.hl7"), "{}", seen.hl7[0].0);
}

#[test]
fn what_cannot_be_read_is_said() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cut.ndjson.gz"), &gz(&[b'x'; 100_000])[..50]).unwrap();
    fs::write(folder.path().join("not.json.gz"), b"plain text").unwrap();
    fs::write(folder.path().join("not.tar.gz"), b"plain text").unwrap();
    let seen = read_all(folder.path());
    assert_eq!(seen.broken.len(), 3, "{:?}", seen.broken);
    let missing = find(&[folder.path().join("nowhere")]);
    assert!(matches!(missing, Err(Failure::Usage { .. })));
}
