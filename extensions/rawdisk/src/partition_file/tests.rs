use super::*;

fn parse(text: &str) -> Result<PartitionFile> {
    PartitionFile::parse(text, Path::new("disk.yaml"))
}

const FULL: &str = "\
start_offset: 4096
partition_table_format: dos
partitions:
  - description: boot
    size: 64M
    fdisk_type: 0x83
    filesystem: ext4
    boot: yes
    mountpoint: /boot/
    number: 2
    raw_files:
      - file: /boot/u-boot.img
        offset_sectors: 2
        skip_bytes: 512
        count_bytes: 1K
  - size: fill
    filesystem: btrfs
    mountpoint: /
  - {size: 1g, fdisk_type: 82, filesystem: swap}
raw_files:
  - {file: boot/MLO, offset_bytes: 128K}
  - {file: boot/next}
";

#[test]
fn every_attribute_is_read() {
    let file = parse(FULL).unwrap();
    assert_eq!((file.start, file.table), (4096, Table::Mbr));
    let numbers: Vec<u32> = file.partitions.iter().map(|partition| partition.number).collect();
    assert_eq!(numbers, [2, 1, 3]);
    let boot = &file.partitions[0];
    assert_eq!(boot.size, Size::Bytes(64 << 20));
    assert_eq!((boot.kind, boot.boot, boot.description.as_deref()), (Some(0x83), true, Some("boot")));
    assert_eq!(boot.mountpoint.as_deref(), Some(Path::new("/boot")));
    let raw = RawFile { file: "boot/u-boot.img".into(), offset: Some(1024), skip: 512, count: Some(1024) };
    assert_eq!(boot.raw_files, [raw]);
    assert_eq!(file.partitions[1].kind, Some(0x81));
    assert_eq!(file.partitions[2].kind, Some(0x82), "hexadecimal without 0x as well");
    assert_eq!(file.raw_files[0].offset, Some(128 << 10));
    assert_eq!(file.raw_files[1].offset, None);
    assert_eq!(file.boot().unwrap().number, 2);
    assert_eq!(file.root().unwrap().size, Size::Fill);
}

#[test]
fn the_defaults_are_as_documented() {
    let file = parse("partitions: [{size: fill, filesystem: btrfs, mountpoint: /}]").unwrap();
    assert_eq!((file.start, file.table), (2048, Table::Gpt));
    let partition = &file.partitions[0];
    assert_eq!((partition.number, partition.kind, partition.boot), (1, Some(0x81), false));
    let default = PartitionFile::default_layout(Loader::Extlinux);
    assert_eq!((default.start, default.table), (2048, Table::Mbr));
    assert_eq!(default.check(), Ok(()));
}

#[test]
fn a_partition_without_a_type_is_space_without_an_entry() {
    let file = "partition_table_format: mbr\npartitions:\n".to_owned()
        + "- {size: 1M, fdisk_type: none, filesystem: none}\n"
        + "- {size: fill, filesystem: btrfs, mountpoint: /}\n";
    assert_eq!(parse(&file).unwrap().partitions[0].kind, None);
}

const ROOT: &str = "{size: fill, filesystem: btrfs, mountpoint: /}";

#[test]
fn errors_name_the_file_and_the_value() {
    let with = |more: &str| format!("partitions: [{ROOT}, {more}]");
    let mbr = |more: &str| format!("partition_table_format: mbr\n{}", with(more));
    let data = "{size: 1M, filesystem: none}";
    let cases = [
        ("{".to_owned(), "at line"),
        ("- a list".to_owned(), "invalid type"),
        (format!("partitions: [{ROOT}]\nsectors: 3"), "unknown field `sectors`"),
        (with("{size: 1M, filesystem: none, colour: red}"), "unknown field `colour`"),
        (with("{size: 1M}"), "missing field `filesystem`"),
        (mbr(&[data; 4].join(", ")), "5 partitions; an MBR has at most 4"),
        (mbr("{size: 1M, filesystem: none, number: 5}"), "partition number 5; an MBR has 1 to 4"),
        (with("{size: 1M, filesystem: none, number: 129}"), "a GPT has 1 to 128"),
        (
            with("{size: 1M, filesystem: none, number: 2}, {size: 1M, filesystem: none, number: 2}"),
            "two partitions have number 2",
        ),
        ("partitions: []".to_owned(), "no partition has mountpoint /"),
        (format!("partitions: [{data}]"), "no partition has mountpoint /"),
        (with(ROOT), "two partitions have mountpoint /"),
        (
            "partitions: [{size: fill, filesystem: none, mountpoint: /}]".to_owned(),
            "mountpoint / and no filesystem",
        ),
        ("partitions: [{size: fill, filesystem: ext4, mountpoint: /}]".to_owned(), "versions need btrfs"),
        (with("{size: 1M, filesystem: none, mountpoint: /data}"), "mountpoint /data and no filesystem"),
        (with("{size: 1M, filesystem: ext4, mountpoint: /data, fdisk_type: none}"), "nothing would find it"),
        (with("{size: 1M, filesystem: swap, mountpoint: /data}"), "swap, which is not mounted"),
        (with("{size: 1M, filesystem: ext4, mountpoint: ../data}"), "absolute path"),
        (with("{size: 1M, filesystem: ext4, mountpoint: \"/da ta\"}"), "without spaces"),
        (with("{size: lots, filesystem: none}"), "size is \"lots\""),
        (with("{size: 0, filesystem: none}"), "size is \"0\""),
        (with("{size: 1M, filesystem: none, fdisk_type: 0x100}"), "fdisk_type is \"0x100\""),
        (with("{size: 1M, filesystem: none, boot: perhaps}"), "boot is \"perhaps\""),
        (with("{size: 1M, filesystem: a/b}"), "filesystem is \"a/b\""),
        (
            with("{size: 1M, filesystem: none, boot: yes}, {size: 1M, filesystem: none, boot: yes}"),
            "2 partitions say boot: yes",
        ),
        (format!("partitions: [{ROOT}]\nstart_offset: early"), "start_offset is \"early\""),
        (format!("partitions: [{ROOT}]\npartition_table_format: sun"), "partition_table_format is \"sun\""),
        (format!("partitions: [{ROOT}]\nraw_files: [{{file: ../secret}}]"), "outside the root filesystem"),
        (
            format!("partitions: [{ROOT}]\nraw_files: [{{file: x, offset_bytes: 1, offset_sectors: 1}}]"),
            "give one",
        ),
    ];
    for (text, expected) in cases {
        let message = parse(&text).unwrap_err().to_string();
        assert!(message.starts_with("disk.yaml: ") && message.contains(expected), "{text}: {message}");
        assert!(!message.contains('\n'), "{message}");
    }
}
