const main = document.querySelector("main");
main.addEventListener("input", event => {
  event.target.closest("figure").style.setProperty("--cut", event.target.value + "%");
});
document.getElementById("masks").addEventListener("change", event => {
  document.body.classList.toggle("masks", event.target.checked);
});
