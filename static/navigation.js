"use strict";
/* On a narrow screen the navigation scrolls: to where one is, and so when it is turned. */
{
  const nav = document.querySelector(".topnav");
  const current = nav?.querySelector("[aria-current]");
  const showCurrent = () => {
    nav.scrollLeft = current.offsetLeft - nav.offsetLeft - 48;
  };
  if (current) {
    showCurrent();
    addEventListener("resize", showCurrent);
  }
}
