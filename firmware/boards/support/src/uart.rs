//! The link: a CMSDK APB UART with an interrupt that fills a queue. When the queue is full the interrupt is turned off
//! and the byte stays in the UART, so that the host waits and nothing is lost.

use core::cell::RefCell;
use core::convert::Infallible;

use cortex_m::interrupt::{InterruptNumber, Mutex, free};
use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;
use embedded_io::{ErrorType, Read, ReadReady, Write};
use heapless::spsc::{Consumer, Producer, Queue};

use crate::Machine;
use crate::fault::unexpected;
use crate::register::Register;

/// Received bytes that wait, and one place that the queue keeps empty.
pub type Received = Queue<u8, 4096>;

const TRANSMIT_FULL: u32 = 1;
const RECEIVE_FULL: u32 = 2;
const ENABLE: u32 = 1 | 2;
const ENABLE_WITH_INTERRUPT: u32 = ENABLE | 8;
const RECEIVE_INTERRUPT: u32 = 2;
/// The emulator does not mind.
const BAUD: u32 = 115_200;

static RECEIVER: Mutex<RefCell<Option<Receiver>>> = Mutex::new(RefCell::new(None));

/// The registers of a CMSDK APB UART (CMSDK technical reference, 4.3).
#[derive(Clone, Copy)]
struct Registers {
    data: Register,
    state: Register,
    control: Register,
    interrupt: Register,
    baud_divisor: Register,
}

impl Registers {
    /// # Safety
    /// `base` must be the address of such a UART.
    const unsafe fn at(base: usize) -> Self {
        // SAFETY: these are its registers, by the manual.
        unsafe {
            Self {
                data: Register::at(base),
                state: Register::at(base + 4),
                control: Register::at(base + 8),
                interrupt: Register::at(base + 12),
                baud_divisor: Register::at(base + 16),
            }
        }
    }
}

/// The number of the receive interrupt.
#[derive(Clone, Copy)]
struct Receive(u16);

// SAFETY: `Machine` promises that the board has an interrupt of this number.
unsafe impl InterruptNumber for Receive {
    fn number(self) -> u16 {
        self.0
    }
}

/// The interrupt's side of the UART.
struct Receiver {
    registers: Registers,
    producer: Producer<'static, u8>,
}

/// The camera's side of it.
pub struct Uart {
    registers: Registers,
    received: Consumer<'static, u8>,
}

impl Uart {
    /// Turns the UART on.
    ///
    /// # Safety
    /// Call once.
    pub unsafe fn start<M: Machine>(queue: &'static mut Received) -> Self {
        let (producer, received) = queue.split();
        // SAFETY: `Machine` promises that the address is right.
        let registers = unsafe { Registers::at(M::UART) };
        free(|cs| RECEIVER.borrow(cs).replace(Some(Receiver { registers, producer })));
        registers.baud_divisor.write(M::CORE_HERTZ / BAUD);
        registers.control.write(ENABLE_WITH_INTERRUPT);
        // SAFETY: the handler and the queue are in place; no critical section relies on this interrupt being masked.
        unsafe { NVIC::unmask(Receive(M::UART_INTERRUPT)) };
        Self { registers, received }
    }

    /// Sleeps until an interrupt, unless bytes wait.
    pub fn sleep(&self) {
        // With interrupts held back none can slip in between the look and the sleep, and a pending one still wakes.
        free(|_| {
            if !self.received.ready() {
                cortex_m::asm::wfi();
            }
        });
    }
}

/// The only interrupt that a board turns on is that of its UART.
#[exception]
unsafe fn DefaultHandler(number: i16) {
    if number < 0 {
        unexpected(number);
    }
    receive();
}

/// The receive interrupt's work.
fn receive() {
    free(|cs| {
        let mut receiver = RECEIVER.borrow(cs).borrow_mut();
        let Some(Receiver { registers, producer }) = receiver.as_mut() else { return };
        loop {
            // Before the look at the state: a byte that comes after the look then raises the interrupt anew. The other way
            // round its interrupt could be wiped away, and with the byte never fetched no other would come.
            registers.interrupt.write(RECEIVE_INTERRUPT);
            if registers.state.read() & RECEIVE_FULL == 0 {
                break;
            }
            if !producer.ready() {
                registers.control.write(ENABLE);
                break;
            }
            // There is room, as was just asked.
            let _ = producer.enqueue(registers.data.read() as u8);
        }
    });
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.received.ready())
    }
}

impl Read for Uart {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        while !bytes.is_empty() && !self.received.ready() {
            self.sleep();
        }
        let mut count = 0;
        while let (Some(place), true) = (bytes.get_mut(count), self.received.ready()) {
            *place = self.received.dequeue().unwrap_or_default();
            count += 1;
        }
        if self.registers.control.read() != ENABLE_WITH_INTERRUPT {
            // There is room again: turn the interrupt on, and fetch the byte that has waited since.
            self.registers.control.write(ENABLE_WITH_INTERRUPT);
            receive();
        }
        Ok(count)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for &byte in bytes {
            self.flush()?;
            self.registers.data.write(byte.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        while self.registers.state.read() & TRANSMIT_FULL != 0 {}
        Ok(())
    }
}
