// A camera for programs that take V4L2 devices only, without a module in the kernel: loaded with LD_PRELOAD, this library
// stands behind one path and answers as a USB camera does, by memory-mapped streaming. Everything else passes through.
//
//     cc -shared -fPIC -o fake_v4l2.so fake_v4l2.c
//     LD_PRELOAD=$PWD/fake_v4l2.so FAKE_V4L2_DEVICE=... FAKE_V4L2_PICTURES=a.jpg:b.jpg ustreamer --device=...
//
// FAKE_V4L2_DEVICE    the path; must be a character device by stat(2), such as a symbolic link to /dev/null
// FAKE_V4L2_PICTURES  files with a picture each, given in turn, separated by colons
// FAKE_V4L2_FORMAT    their four-character code (MJPG)
// FAKE_V4L2_SIZE      their width and height (640x480)
// FAKE_V4L2_RATE      how many a second (30)
// FAKE_V4L2_LAST      as many pictures, and it is as if somebody had pulled the plug (none)
//
// A picture that begins with a comment of 16 bytes is stamped there as it leaves: which one it is, from 0 on, and the
// time on the monotonic clock in nanoseconds, both big-endian. benches/serve reads them.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_PICTURES = 64,
    MOST_BUFFERS = 32,
    MOST_FILES = 1024,
    // Distance of the offsets by which buffers are mapped; the longest picture.
    STRIDE = 1 << 24,
};

struct picture {
    unsigned char *bytes;
    size_t len;
};

static struct picture pictures[MOST_PICTURES];
static size_t picture_count, longest;
static uint32_t fourcc, width = 640, height = 480, rate = 30;

// The device is a timer that can be read when a picture is due, so that poll and select need no help.
static bool ours[MOST_FILES];
static void *memory[MOST_BUFFERS];
static uint32_t buffer_count, queue[MOST_BUFFERS], queued;
static uint64_t number, last = UINT64_MAX;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

static void fail(const char *what) {
    fprintf(stderr, "fake_v4l2: %s\n", what);
    exit(1);
}

static void load(const char *path) {
    struct picture *picture = &pictures[picture_count++];
    FILE *file = fopen(path, "rb");
    if (picture_count > MOST_PICTURES || !file) fail(path);
    picture->bytes = malloc(STRIDE);
    picture->len = fread(picture->bytes, 1, STRIDE, file);
    fclose(file);
    if (picture->len > longest) longest = picture->len;
}

__attribute__((constructor)) static void set_up(void) {
    const char *code = getenv("FAKE_V4L2_FORMAT"), *size = getenv("FAKE_V4L2_SIZE"), *asked = getenv("FAKE_V4L2_RATE");
    const char *end = getenv("FAKE_V4L2_LAST");
    if (!code) code = "MJPG";
    if (strlen(code) != 4) fail("FAKE_V4L2_FORMAT has four characters");
    fourcc = v4l2_fourcc(code[0], code[1], code[2], code[3]);
    if (size && sscanf(size, "%ux%u", &width, &height) != 2) fail("FAKE_V4L2_SIZE is WIDTHxHEIGHT");
    if (asked && (sscanf(asked, "%u", &rate) != 1 || !rate)) fail("FAKE_V4L2_RATE is a number");
    if (end && sscanf(end, "%" SCNu64, &last) != 1) fail("FAKE_V4L2_LAST is a number");
}

static void load_all(void) {
    const char *list = getenv("FAKE_V4L2_PICTURES");
    if (picture_count || !list) return;
    char *paths = strdup(list), *rest = paths;
    for (char *path; (path = strsep(&rest, ":"));) load(path);
    free(paths);
}

static bool is_ours(int fd) { return fd >= 0 && fd < MOST_FILES && ours[fd]; }

static int keep(int fd) {
    if (fd >= MOST_FILES) fail("too many files");
    if (fd >= 0) ours[fd] = true;
    return fd;
}

// The descriptor of the camera, or -1 with errno 0 for any other path.
static int open_camera(const char *path, int flags) {
    const char *device = getenv("FAKE_V4L2_DEVICE");
    errno = 0;
    if (!device || strcmp(path, device)) return -1;
    load_all();
    return keep(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | (flags & O_NONBLOCK ? TFD_NONBLOCK : 0)));
}

int open(const char *path, int flags, ...) {
    int fd = open_camera(path, flags);
    va_list rest;
    va_start(rest, flags);
    if (fd < 0 && !errno) fd = REAL(open)(path, flags, va_arg(rest, mode_t));
    va_end(rest);
    return fd;
}

int open64(const char *path, int flags, ...) {
    int fd = open_camera(path, flags);
    va_list rest;
    va_start(rest, flags);
    if (fd < 0 && !errno) fd = REAL(open64)(path, flags, va_arg(rest, mode_t));
    va_end(rest);
    return fd;
}

int dup(int fd) {
    int copy = REAL(dup)(fd);
    return is_ours(fd) ? keep(copy) : copy;
}

int close(int fd) {
    if (is_ours(fd)) ours[fd] = false;
    return REAL(close)(fd);
}

static void *map(size_t len, int protection, off64_t offset) {
    void *bytes = REAL(mmap)(NULL, len, protection, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (offset / STRIDE >= MOST_BUFFERS) fail("no such buffer");
    return memory[offset / STRIDE] = bytes;
}

void *mmap(void *address, size_t len, int protection, int flags, int fd, off_t offset) {
    if (is_ours(fd)) return map(len, protection, offset);
    return REAL(mmap)(address, len, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t len, int protection, int flags, int fd, off64_t offset) {
    if (is_ours(fd)) return map(len, protection, offset);
    return REAL(mmap64)(address, len, protection, flags, fd, offset);
}

static int refuse(int error) {
    errno = error;
    return -1;
}

static int set_timer(int fd, bool running) {
    long period = running ? 1000000000L / rate : 0;
    struct timespec time = {period / 1000000000L, period % 1000000000L};
    struct itimerspec timer = {time, time};
    queued = running ? queued : 0;
    return timerfd_settime(fd, 0, &timer, NULL);
}

static int describe(struct v4l2_capability *answer) {
    memset(answer, 0, sizeof *answer);
    strcpy((char *)answer->driver, "uvcvideo");
    strcpy((char *)answer->card, "Camera made of nothing");
    strcpy((char *)answer->bus_info, "usb-none");
    answer->version = 6 << 16;
    answer->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    answer->capabilities = answer->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

// There is one format; whatever is asked for, this is what the program gets.
static int give_format(struct v4l2_format *format) {
    if (format->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return refuse(EINVAL);
    memset(&format->fmt, 0, sizeof format->fmt);
    format->fmt.pix.width = width;
    format->fmt.pix.height = height;
    format->fmt.pix.pixelformat = fourcc;
    format->fmt.pix.field = V4L2_FIELD_NONE;
    format->fmt.pix.bytesperline = fourcc == V4L2_PIX_FMT_YUYV ? width * 2 : 0;
    format->fmt.pix.sizeimage = longest;
    format->fmt.pix.colorspace = fourcc == V4L2_PIX_FMT_YUYV ? V4L2_COLORSPACE_SRGB : V4L2_COLORSPACE_JPEG;
    return 0;
}

static int give_rate(struct v4l2_streamparm *answer) {
    if (answer->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return refuse(EINVAL);
    memset(&answer->parm, 0, sizeof answer->parm);
    answer->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
    answer->parm.capture.timeperframe = (struct v4l2_fract){1, rate};
    answer->parm.capture.readbuffers = 2;
    return 0;
}

static int list_format(struct v4l2_fmtdesc *answer) {
    if (answer->index || answer->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return refuse(EINVAL);
    strcpy((char *)answer->description, "The only one");
    answer->flags = fourcc == V4L2_PIX_FMT_YUYV ? 0 : V4L2_FMT_FLAG_COMPRESSED;
    answer->pixelformat = fourcc;
    return 0;
}

static int list_size(struct v4l2_frmsizeenum *answer) {
    if (answer->index || answer->pixel_format != fourcc) return refuse(EINVAL);
    answer->type = V4L2_FRMSIZE_TYPE_DISCRETE;
    answer->discrete = (struct v4l2_frmsize_discrete){width, height};
    return 0;
}

static int list_interval(struct v4l2_frmivalenum *answer) {
    if (answer->index || answer->pixel_format != fourcc) return refuse(EINVAL);
    answer->type = V4L2_FRMIVAL_TYPE_DISCRETE;
    answer->discrete = (struct v4l2_fract){1, rate};
    return 0;
}

static int list_input(struct v4l2_input *answer) {
    if (answer->index) return refuse(EINVAL);
    memset(answer, 0, sizeof *answer);
    strcpy((char *)answer->name, "Camera 1");
    answer->type = V4L2_INPUT_TYPE_CAMERA;
    return 0;
}

static int make_buffers(struct v4l2_requestbuffers *request) {
    if (request->memory != V4L2_MEMORY_MMAP) return refuse(EINVAL);
    if (request->count > MOST_BUFFERS) request->count = MOST_BUFFERS;
    request->capabilities = V4L2_BUF_CAP_SUPPORTS_MMAP;
    buffer_count = request->count;
    queued = 0;
    return 0;
}

static int give_buffer(struct v4l2_buffer *buffer) {
    if (buffer->index >= buffer_count) return refuse(EINVAL);
    buffer->flags = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    buffer->memory = V4L2_MEMORY_MMAP;
    buffer->field = V4L2_FIELD_NONE;
    buffer->length = longest;
    buffer->m.offset = buffer->index * STRIDE;
    return 0;
}

static int take_buffer(struct v4l2_buffer *buffer) {
    if (buffer->index >= buffer_count || queued == buffer_count) return refuse(EINVAL);
    queue[queued++] = buffer->index;
    buffer->flags = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    return 0;
}

static void stamp(unsigned char *bytes, struct timespec now) {
    static const unsigned char start[] = {0xff, 0xd8, 0xff, 0xfe, 0, 18};
    if (memcmp(bytes, start, sizeof start)) return;
    uint64_t values[] = {htobe64(number), htobe64(now.tv_sec * 1000000000ULL + now.tv_nsec)};
    memcpy(bytes + sizeof start, values, sizeof values);
}

static int fill_buffer(struct v4l2_buffer *buffer) {
    // A picture that finds no buffer is lost, as at any camera.
    if (!queued) return refuse(EAGAIN);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const struct picture *picture = &pictures[number % picture_count];
    buffer->index = queue[0];
    memmove(queue, queue + 1, --queued * sizeof *queue);
    memcpy(memory[buffer->index], picture->bytes, picture->len);
    stamp(memory[buffer->index], now);
    give_buffer(buffer);
    buffer->flags |= V4L2_BUF_FLAG_DONE;
    buffer->bytesused = picture->len;
    buffer->sequence = number++;
    buffer->timestamp = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

static int answer(int fd, unsigned long request, void *argument) {
    switch (request) {
    case VIDIOC_QUERYCAP: return describe(argument);
    case VIDIOC_G_FMT:
    case VIDIOC_S_FMT:
    case VIDIOC_TRY_FMT: return give_format(argument);
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: return give_rate(argument);
    case VIDIOC_ENUM_FMT: return list_format(argument);
    case VIDIOC_ENUM_FRAMESIZES: return list_size(argument);
    case VIDIOC_ENUM_FRAMEINTERVALS: return list_interval(argument);
    case VIDIOC_ENUMINPUT: return list_input(argument);
    case VIDIOC_G_INPUT:
    case VIDIOC_S_INPUT: return *(int *)argument = 0;
    case VIDIOC_REQBUFS: return make_buffers(argument);
    case VIDIOC_QUERYBUF: return give_buffer(argument);
    case VIDIOC_QBUF: return take_buffer(argument);
    case VIDIOC_DQBUF: return number < last ? fill_buffer(argument) : refuse(ENODEV);
    case VIDIOC_STREAMON: return set_timer(fd, true);
    case VIDIOC_STREAMOFF: return set_timer(fd, false);
    case VIDIOC_QUERYCTRL: return refuse(EINVAL);
    default: return refuse(ENOTTY);
    }
}

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    // Programs hand requests on as int, which the sign extends.
    request &= 0xffffffff;
    if (!is_ours(fd)) return REAL(ioctl)(fd, request, argument);
    uint64_t due;
    if (request == VIDIOC_DQBUF && read(fd, &due, sizeof due) < 0) return -1;
    pthread_mutex_lock(&mutex);
    int result = answer(fd, request, argument);
    pthread_mutex_unlock(&mutex);
    return result;
}
