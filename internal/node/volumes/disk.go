package volumes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A disk is a volume that can't hold more than its claim asks for: a sparse file beside the volume's folder, with a file
// system of its own that is mounted over the folder.
//
//	/var/lib/naru-volumes/pvc-1_shop_data        mounted; not there while it is not
//	/var/lib/naru-volumes/pvc-1_shop_data.ext4   the file
const (
	imageSuffix = ".ext4"
	// unfinished is what an image is called until its file system is complete.
	unfinished = ".new"

	// mkfs is of e2fsprogs, which every Debian has.
	mkfs = "/usr/sbin/mkfs.ext4"
	// What was deleted is given back to the node's disk; where that disk fails, nothing more is written.
	mountOptions = "discard,noinit_itable,errors=remount-ro"
	mountFlags   = unix.MS_NODEV | unix.MS_NOSUID
)

// Restore mounts the disks below root that are not: a node that has started again calls it before its kubelet runs. A
// disk that can't be mounted has no folder, so that the kubelet refuses its pods instead of giving them an empty one;
// the error names it, and the others are mounted.
func Restore(ctx context.Context, root string) error {
	images, err := filepath.Glob(filepath.Join(root, "*"+imageSuffix))
	if err != nil {
		return fmt.Errorf("looking for volumes: %w", err)
	}
	var failures []error
	for _, image := range images {
		if err := mountDisk(ctx, strings.TrimSuffix(image, imageSuffix)); err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// makeDisk makes and mounts a disk; one that is there already is kept. size is in bytes.
func makeDisk(ctx context.Context, path string, size int64) error {
	image := path + imageSuffix
	if _, err := os.Stat(image); errors.Is(err, fs.ErrNotExist) {
		if err := format(ctx, image, size); err != nil {
			return err
		}
	} else if err != nil {
		return fmt.Errorf("looking for the volume's disk: %w", err)
	}
	return mountDisk(ctx, path)
}

func format(ctx context.Context, image string, size int64) error {
	if err := os.MkdirAll(filepath.Dir(image), 0o755); err != nil {
		return fmt.Errorf("making the folder of volumes: %w", err)
	}
	made := image + unfinished
	file, err := os.OpenFile(made, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("making the volume's disk: %w", err)
	}
	if err := errors.Join(file.Truncate(size), file.Close()); err != nil {
		return fmt.Errorf("making the volume's disk: %w", err)
	}
	// A new file is all zeroes: there is nothing to discard or to write over. No block is set aside for root.
	command := exec.CommandContext(ctx, mkfs, "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", made)
	if said, err := command.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("making a file system of %d bytes: %w: %s", size, err, strings.TrimSpace(string(said))), os.Remove(made))
	}
	if err := os.Rename(made, image); err != nil {
		return fmt.Errorf("making the volume's disk: %w", err)
	}
	return nil
}

// mountDisk mounts a disk over its folder, which belongs to nobody: see Provision.
func mountDisk(ctx context.Context, path string) (err error) {
	if mounted(path) {
		return nil
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("making the volume's folder: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	device, err := attach(ctx, path+imageSuffix)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, device.Close()) }()
	if err := device.stopWriting(); err != nil {
		return err
	}
	if err := unix.Mount(device.path, path, "ext4", mountFlags, mountOptions); err != nil {
		return fmt.Errorf("mounting %s: %w", path, err)
	}
	// Programs that want an empty folder find one.
	if err := os.Remove(filepath.Join(path, "lost+found")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("clearing a new volume: %w", err), unix.Unmount(path, 0))
	}
	if err := os.Chmod(path, 0o777); err != nil {
		return errors.Join(fmt.Errorf("opening the volume's folder: %w", err), unix.Unmount(path, 0))
	}
	return nil
}

// dropDisk removes a disk, if there is one. Who still uses it keeps it: that is an error, and nothing was removed.
func dropDisk(path string) error {
	if mounted(path) {
		if err := unix.Unmount(path, 0); err != nil {
			return fmt.Errorf("unmounting %s: %w", path, err)
		}
	}
	for _, file := range []string{path + imageSuffix, path + imageSuffix + unfinished} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the volume's disk: %w", err)
		}
	}
	return nil
}

// mounted tells whether something is mounted over a folder.
func mounted(path string) bool {
	var own, above unix.Stat_t
	return unix.Stat(path, &own) == nil && unix.Stat(filepath.Dir(path), &above) == nil && own.Dev != above.Dev
}

// patience is how long a disk may still be in use by a node's life before this one, which is being unmounted.
const patience = 10 * time.Second

// loopDevice is an attached loop device. It is let go of when nobody has it open or mounted any more, be it after
// everything was killed: no device outlives the node.
type loopDevice struct {
	*os.File
	path string
}

// Close closes the device and removes its name. What is mounted goes on.
func (d *loopDevice) Close() error {
	return errors.Join(d.File.Close(), os.RemoveAll(filepath.Dir(d.path)))
}

// stopWriting keeps the device open for reading alone: a kernel without CONFIG_BLK_DEV_WRITE_MOUNTED mounts none that
// somebody has open for writing.
func (d *loopDevice) stopWriting() error {
	reader, err := os.Open(d.path)
	if err != nil {
		return fmt.Errorf("opening %s again: %w", d.path, err)
	}
	writer := d.File
	d.File = reader
	if err := writer.Close(); err != nil {
		return fmt.Errorf("closing %s for writing: %w", d.path, err)
	}
	return nil
}

// attach makes an image a block device.
func attach(ctx context.Context, image string) (*loopDevice, error) {
	file, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the volume's disk: %w", err)
	}
	defer file.Close()
	// The device keeps this open file, and with it the lock: no image can be two devices at a time, which would ruin it.
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for err = lock(file); errors.Is(err, unix.EWOULDBLOCK) && ctx.Err() == nil; err = lock(file) {
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	if err != nil {
		return nil, fmt.Errorf("taking %s, which is in use: %w", image, err)
	}
	control, err := openNode("naru-loop-control", unix.S_IFCHR, unix.Mkdev(10, 237))
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("asking for a loop device: %w", err)
		}
		device, err := openNode(fmt.Sprintf("naru-loop%d", number), unix.S_IFBLK, unix.Mkdev(7, uint32(number)))
		if err != nil {
			return nil, err
		}
		config := &unix.LoopConfig{Fd: uint32(file.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		copy(config.Info.File_name[:len(config.Info.File_name)-1], filepath.Base(image))
		err = unix.IoctlLoopConfigure(int(device.Fd()), config)
		if err == nil {
			return device, nil
		}
		err = errors.Join(err, device.Close())
		// Another node of this machine may have been faster.
		if !errors.Is(err, unix.EBUSY) || ctx.Err() != nil {
			return nil, fmt.Errorf("making %s a loop device: %w", image, err)
		}
	}
}

func lock(file *os.File) error { return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// openNode opens a device by a name of its own, which is removed when it is closed: nodes have no devices of the
// machine, and need none once these are mounted.
func openNode(name string, mode uint32, device uint64) (*loopDevice, error) {
	folder, err := os.MkdirTemp("/dev", "naru-*")
	if err != nil {
		return nil, fmt.Errorf("making a device: %w", err)
	}
	path := filepath.Join(folder, name)
	if err := unix.Mknod(path, mode|0o600, int(device)); err != nil {
		return nil, errors.Join(fmt.Errorf("making %s: %w", path, err), os.Remove(folder))
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), os.RemoveAll(folder))
	}
	return &loopDevice{File: file, path: path}, nil
}
